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

function timesOf({ value, reference, ratio, single, referenceSingle, ...one }) {
  return [
    ...[one.name, milliseconds(value), milliseconds(reference), ratio.toFixed(2)],
    ...[milliseconds(single), milliseconds(referenceSingle), milliseconds(one.cold)],
    ...[count(one.pages), count(one.referencePages)],
  ];
}

/** Whether a page held as much in both databases. */
const isAlike = ({ items, referenceItems }) => items <= 1.1 * referenceItems;
const fullerPage = ({ name, items, referenceItems }) =>
  `${name}: ${items.toFixed(1)} instead of ${referenceItems.toFixed(1)}`;

function sizeOf({ name, value, indexBytes, rows }) {
  return [name.slice(SIZE.length), count(rows), (value / 1e6).toFixed(1), (indexBytes / 1e6).toFixed(1)];
}

function million({ machine, cases }) {
  const sizes = cases.filter(({ name }) => name.startsWith(SIZE));
  const asked = cases.filter(({ name }) => !name.startsWith(SIZE));
  const { cpu, processors, memoryGiB, system, node } = machine;
  const [{ samples }] = asked;
  const above = asked.filter(({ value }) => value >= 50).map(({ name }) => name);
  const far = asked.filter(({ ratio }) => ratio > 2);
  const alike = far.filter(isAlike).map(({ name }) => name);
  const fuller = far.filter((one) => !isAlike(one)).map(fullerPage);
  const ratios = asked.map(({ ratio }) => ratio).sort((a, b) => a - b);
  const slowest = Math.max(...asked.map(({ single }) => single));
  return `${table(
    ['call', 'p99, ms', 'of 1,000', 'ratio', 'single', 'of 1,000', 'cold', 'pages', 'of 1,000'],
    asked.map(timesOf),
  )}

${samples} calls a side and row, both sides in turn: p99 is the 99th percentile over the arguments, each of which counts with the median of its rounds, \`single\` that of all calls as they were, whatever else the machine did, \`cold\` that of the round before, \`pages\` the most of 8 KiB that one of five calls read. Of ${asked.length} calls ${above.length} took 50 ms or more (${listed(above)}), of single ones the slowest row has ${milliseconds(slowest)} ms; ${far.length} took more than twice as long as with 1,000 runs: of those that give as many things in both, ${alike.length} (${listed(alike)}), of those that give more in the larger, ${fuller.length} (${listed(fuller)}); the median ratio is ${ratios[Math.floor(ratios.length / 2)].toFixed(2)}.

${table(['table', 'rows', 'MB', 'of these indexes'], sizes.map(sizeOf))}

On ${processors} processors (${cpu}), ${memoryGiB} GiB, ${system}, Node ${node}.`;
}

await writeInto(
  here('./database.md'),
  million(JSON.parse(await readFile(here('../bench/results/million.json'), 'utf8'))),
);
