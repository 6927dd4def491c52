// Puts the answer of a study where it is read: figures, the numbers behind them, and a page with its claims and tables.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { draw } from './charts.mjs';

const cell = (value) => String(value ?? '–').replaceAll('|', '\\|');

/** @param rows objects with the same keys, which are the titles */
export function markdownTable(rows) {
  const titles = Object.keys(rows[0]);
  const line = (cells) => `| ${cells.map(cell).join(' | ')} |`;
  return [
    line(titles),
    line(titles.map(() => '---')),
    ...rows.map((row) => line(titles.map((title) => row[title]))),
  ].join('\n');
}

const described = ({ cpu, processors, memoryGiB, system, node }) =>
  `${processors} ${processors === 1 ? 'processor' : 'processors'} (${cpu}), ${memoryGiB} GiB, ${system}, Node ${node}`;

/** Where the seeds were made: those that several sessions added may be from several machines. */
function placesOf(seeds, machines) {
  const places = [...new Set(machines.map(described))];
  if (places.length === 1) return `on ${places[0]}`;
  const of = (place) => seeds.filter((_, at) => described(machines[at]) === place);
  return places.map((place) => `seeds ${of(place).join(', ')} on ${place}`).join('; ');
}

function page(name, { title, seeds, claims, tables, figures }, { machines, flags }) {
  const parts = [
    `# ${title}`,
    `Made by \`npm run bench -- paper:${name}${flags}\`, ${placesOf(seeds, machines)}. Written by the run itself; not to be edited.`,
    markdownTable(
      claims.map(({ claim, holds, shown }) => ({
        claim,
        'holds here': holds ? 'yes' : '**no**',
        'shown by': shown,
      })),
    ),
    ...Object.keys(figures).map((figure) => `![${figure}](${name}-${figure}.svg)`),
    ...tables.flatMap(({ title: heading, rows }) => [`## ${heading}`, markdownTable(rows)]),
  ];
  return `${parts.join('\n\n')}\n`;
}

/**
 * @param answer { title, seeds, claims: [{ claim, holds, shown }], tables: [{ title, rows }], figures: { name: specification }, numbers }
 * @param options.machine of the runs that do not say on which they were made
 * @returns the files that were written
 */
export async function writeStudy(folder, name, answer, { machine, quick }) {
  await mkdir(folder, { recursive: true });
  const { title, seeds, claims, numbers } = answer;
  const machines = seeds.map((_, at) => numbers.runs?.[at]?.machine ?? machine);
  const files = {
    [`${name}.json`]: `${JSON.stringify({ study: name, title, quick, seeds, machine: machines[0], claims, ...numbers }, null, 2)}\n`,
    [`${name}.md`]: page(name, answer, { machines, flags: quick ? ' --quick' : '' }),
  };
  for (const [figure, specification] of Object.entries(answer.figures))
    files[`${name}-${figure}.svg`] = await draw(specification);
  for (const [file, text] of Object.entries(files)) await writeFile(join(folder, file), text);
  return Object.keys(files).map((file) => join(folder, file));
}

/** A study cannot go on from the results that are there. */
export class PlannedOtherwise extends Error {}

/** The numbers that `writeStudy` wrote; null where there are none. */
export async function readStudy(folder, name) {
  const text = await readFile(join(folder, `${name}.json`), 'utf8').catch((error) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  return text === null ? null : JSON.parse(text);
}
