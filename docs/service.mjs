// Writes the figures of docs/service.md from what the benches have found: `node docs/service.mjs`.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { table } from './table.mjs';
import { writeInto } from './written.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** What each is to reach, and what it is hoped to; where the hope is the smaller of the two, both are upper bounds. */
const GOALS = {
  submit: { of: ({ ratio }) => ratio, must: 0.35, aim: 0.6 },
  dispatch: { of: ({ name, added }) => (name.startsWith('p50') ? added : null), must: 15, aim: 3 },
  fanout: { of: ({ ratio }) => ratio, must: 0.15, aim: 0.5 },
  'api-read': { of: ({ ratio }) => ratio, must: 0.12, aim: 0.3 },
  events: { of: ({ name, value }) => (name.endsWith('p99') ? value : null), must: 200, aim: 50 },
};

const digits = (value) => {
  if (value === null || value === undefined) return '';
  return value >= 1000 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3);
};

function rowOf(bench, one) {
  const { of, must, aim } = GOALS[bench];
  const reached = of(one);
  const isMost = aim < must;
  const answerTo = (goal) => {
    if (reached === null) return '';
    const meets = isMost ? reached <= goal : reached >= goal;
    return `${isMost ? '≤' : '≥'} ${goal}: ${meets ? 'yes' : 'no'}`;
  };
  return [
    ...[`\`${bench}\``, one.name, `${digits(one.value)} ${one.unit}`],
    one.reference === null ? '' : `${digits(one.reference)} ${one.unit}`,
    ...[digits(one.ratio), one.added === undefined ? '' : `+${digits(one.added)} ${one.unit}`],
    ...[answerTo(must), answerTo(aim)],
  ];
}

const results = await Promise.all(
  Object.keys(GOALS).map(async (bench) =>
    JSON.parse(await readFile(here(`../bench/results/${bench}.json`), 'utf8')),
  ),
);
const rows = results.flatMap(({ bench, cases }) => cases.map((one) => rowOf(bench, one)));
const { cpu, processors, memoryGiB, system, node } = results[0].machine;

await writeInto(
  here('./service.md'),
  `${table(['bench', 'case', 'service', 'peer', 'ratio', 'added', 'has to be', 'hoped for'], rows)}

On ${processors} processors (${cpu}), ${memoryGiB} GiB, ${system}, Node ${node}; servers, service and load share them.`,
);
