// Writes the figures of docs/service.md from what the benches have found: `node docs/service.mjs`.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { table } from './table.mjs';
import { writeInto } from './written.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** What each is to reach, and what it is hoped to. */
const GOALS = {
  submit: { of: ({ ratio }) => ratio, must: 0.35, aim: 0.6, isMost: false },
  dispatch: {
    of: ({ name, added }) => (name.startsWith('p50') ? added : null),
    must: 15,
    aim: 3,
    isMost: true,
  },
  fanout: { of: ({ ratio }) => ratio, must: 0.15, aim: 0.5, isMost: false },
  'api-read': { of: ({ ratio }) => ratio, must: 0.12, aim: 0.3, isMost: false },
  events: {
    of: ({ name, value }) => (name.endsWith('p99') ? value : null),
    must: 200,
    aim: 50,
    isMost: true,
  },
};

const digits = (value) => {
  if (value === null || value === undefined) return '';
  return value >= 1000 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3);
};
const unitOf = ({ unit }) => unit.replace(/^requests\/s$/, '/s');

function rowOf(bench, one) {
  const { of, must, aim, isMost } = GOALS[bench];
  const reached = of(one) ?? null;
  const meets = (goal) => (isMost ? reached <= goal : reached >= goal);
  return [
    ...[`\`${bench}\``, one.name, `${digits(one.value)} ${unitOf(one)}`],
    one.reference === null ? '' : `${digits(one.reference)} ${unitOf(one)}`,
    ...[digits(one.ratio), one.added === undefined ? '' : `+${digits(one.added)} ${one.unit}`],
    reached === null ? '' : `${isMost ? '≤' : '≥'} ${must}: ${meets(must) ? 'yes' : 'no'}`,
    reached === null ? '' : `${isMost ? '≤' : '≥'} ${aim}: ${meets(aim) ? 'yes' : 'no'}`,
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
