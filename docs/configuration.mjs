// Writes docs/configuration.md from the settings themselves: `node docs/configuration.mjs` after a build.
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Settings } from '@rela/config';
import { table } from './table.mjs';

/** Defaults that come from the machine; the page must not depend on where it is written. */
const FROM_THE_MACHINE = { THREADS: 'processors of the machine' };

function defaultOf(name, setting) {
  if (FROM_THE_MACHINE[name]) return FROM_THE_MACHINE[name];
  const { data } = setting.safeParse(undefined);
  return data === undefined ? '–' : `\`${data}\``;
}

/** What the setting may be, where only some words are. */
function choicesOf(setting) {
  const words = setting.def.innerType?.options ?? setting.options;
  return words ? ` One of ${words.map((word) => `\`${word}\``).join(', ')}.` : '';
}

function configurationPage() {
  const rows = Object.entries(Settings.shape).map(([name, setting]) => {
    const meaning = setting.description ?? 'how much is logged';
    return [`\`${name}\``, defaultOf(name, setting), `${meaning}.${choicesOf(setting)}`];
  });
  return [
    '# Configuration',
    'Every process reads the environment once, at its start, and refuses to start with a sentence where a variable is wrong. An empty variable counts as absent. This page is written by `node docs/configuration.mjs` from `packages/config`.',
    `${table(['variable', 'default', 'meaning'], rows)}\n`,
  ].join('\n\n');
}

// `--print` is for the test that the page is current.
if (process.argv.includes('--print')) process.stdout.write(configurationPage());
else await writeFile(fileURLToPath(new URL('./configuration.md', import.meta.url)), configurationPage());
