// Writes the figures of docs/database.md from what the bench has found: `node docs/database.mjs`.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { table } from './table.mjs';
import { writeInto } from './written.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const SIZE = 'size of ';
const milliseconds = (value) => value.toFixed(1);
const count = (value) => Math.round(value).toLocaleString('en-US');

const listed = (names) => names.join('; ') || 'none';

function timesOf({ value, reference, ratio, quiet, referenceQuiet, ...one }) {
  return [
    ...[one.name, milliseconds(value), milliseconds(reference), ratio.toFixed(2)],
    ...[milliseconds(quiet), milliseconds(referenceQuiet), milliseconds(one.cold)],
    ...[count(one.pages), count(one.referencePages)],
  ];
}

function sizeOf({ name, value, indexBytes, rows }) {
  return [name.slice(SIZE.length), count(rows), (value / 1e6).toFixed(1), (indexBytes / 1e6).toFixed(1)];
}

function million({ machine, cases }) {
  const sizes = cases.filter(({ name }) => name.startsWith(SIZE));
  const asked = cases.filter(({ name }) => !name.startsWith(SIZE));
  const { cpu, processors, memoryGiB, system, node } = machine;
  const [{ samples }] = asked;
  const above = asked.filter(({ value }) => value >= 50).map(({ name }) => name);
  const far = asked.filter(({ ratio }) => ratio > 2).map(({ name }) => name);
  const quiet = asked.map((one) => one.quiet / one.referenceQuiet).sort((a, b) => a - b);
  return `${table(
    ['call', 'p99, ms', 'of 1,000', 'ratio', 'quiet', 'of 1,000', 'cold', 'pages', 'of 1,000'],
    asked.map(timesOf),
  )}

${samples} calls a side and row, both sides in turn; p99 is the median of the rounds'. \`quiet\` is the 99th percentile over arguments of the fastest of their rounds, \`cold\` that of the round before, \`pages\` the most of 8 KiB that one of five calls read. Of ${asked.length} calls ${above.length} took 50 ms or more (${listed(above)}), and ${far.length} more than twice as long as with 1,000 runs (${listed(far)}); of \`quiet\` the median ratio is ${quiet[Math.floor(quiet.length / 2)].toFixed(2)} and the largest ${quiet.at(-1).toFixed(2)}.

${table(['table', 'rows', 'MB', 'of these indexes'], sizes.map(sizeOf))}

On ${processors} processors (${cpu}), ${memoryGiB} GiB, ${system}, Node ${node}.`;
}

await writeInto(
  here('./database.md'),
  million(JSON.parse(await readFile(here('../bench/results/million.json'), 'utf8'))),
);
