// Writes the tables of docs/methods.md from the methods' own schemas: `node docs/methods.mjs` after a build.
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { MethodSpec } from '@rela/contracts';

const PAGE = fileURLToPath(new URL('./methods.md', import.meta.url));
const [BEGIN, END] = [/<!-- Written by .* -->\n/, /<!-- End of what is written -->/];

const nameOf = (schema) => schema.shape.name.def.values[0];

/** Papers by their numbers become links. */
const linked = (text) => text.replace(/arXiv ([\d.]+\d)/g, '[arXiv $1](https://arxiv.org/abs/$1)');

function defaultOf(option) {
  const { data, success } = option.safeParse(undefined);
  return success && data !== undefined ? `\`${data}\`` : 'absent';
}

/** Cells are padded, as the formatter of this repository wants tables. */
function table(head, rows) {
  const widths = head.map((_, at) => Math.max(...[head, ...rows].map((row) => row[at].length)));
  const line = (cells) => `| ${cells.map((cell, at) => cell.padEnd(widths[at])).join(' | ')} |`;
  return [line(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...rows.map(line)].join(
    '\n',
  );
}

function tables() {
  const methods = MethodSpec.options;
  const named = methods.map((schema) => [`\`${nameOf(schema)}\``, linked(schema.description)]);
  const options = methods.flatMap((schema) =>
    Object.entries(schema.shape)
      .filter(([key]) => key !== 'name')
      .map(([key, option]) => [
        `\`${nameOf(schema)}\``,
        `\`${key}\``,
        defaultOf(option),
        option.description ?? option.def.innerType?.description ?? '',
      ]),
  );
  return [
    table(['method', 'what it is'], named),
    table(['method', 'option', 'default', 'meaning, and where the default is from'], options),
  ].join('\n\n');
}

async function page() {
  const text = await readFile(PAGE, 'utf8');
  const begin = text.match(BEGIN);
  const end = text.match(END);
  const head = text.slice(0, begin.index + begin[0].length);
  return `${head}\n${tables()}\n\n${text.slice(end.index)}`;
}

// `--print` is for the test that the page is current.
if (process.argv.includes('--print')) process.stdout.write(await page());
else await writeFile(PAGE, await page());
