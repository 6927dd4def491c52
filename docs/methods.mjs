// Writes the tables of docs/methods.md from the methods' own schemas: `node docs/methods.mjs` after a build.
import { fileURLToPath } from 'node:url';
import { MethodSpec } from '@rela/contracts';
import { table } from './table.mjs';
import { writeInto } from './written.mjs';

const nameOf = (schema) => schema.shape.name.def.values[0];

/** Papers by their numbers become links. */
const linked = (text) => text.replace(/arXiv ([\d.]+\d)/g, '[arXiv $1](https://arxiv.org/abs/$1)');

function defaultOf(option) {
  const { data, success } = option.safeParse(undefined);
  return success && data !== undefined ? `\`${data}\`` : 'absent';
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

await writeInto(fileURLToPath(new URL('./methods.md', import.meta.url)), tables());
