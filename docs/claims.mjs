// Writes docs/claims.md from what the studies of the bench have found: `node docs/claims.mjs`.
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { table } from './table.mjs';
import { writeInto } from './written.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const RESULTS = '../bench/results';

const files = await readdir(here(RESULTS));
const studies = (await readdir(here('../bench/paper')))
  .filter((file) => file.endsWith('.mjs'))
  .map((file) => file.slice(0, -4));
const made = studies.filter((study) => files.includes(`${study}.json`));
const missing = studies.filter((study) => !made.includes(study));

async function section(study) {
  const { title, seeds, claims } = JSON.parse(await readFile(here(`${RESULTS}/${study}.json`), 'utf8'));
  const rows = claims.map(({ claim, holds, shown }) => [claim, holds ? 'yes' : '**no**', shown]);
  const figures = files.filter((file) => file.startsWith(`${study}-`) && file.endsWith('.svg')).sort();
  return [
    `## ${title}`,
    `\`npm run bench -- paper:${study}\`, seeds ${seeds.join(', ')}. [Tables](${RESULTS}/${study}.md), [numbers](${RESULTS}/${study}.json).`,
    table(['claim', 'holds here', 'shown by'], rows),
    ...figures.map((figure) => `![${figure.slice(study.length + 1, -4)}](${RESULTS}/${figure})`),
  ].join('\n\n');
}

const sections = [];
for (const study of made) sections.push(await section(study));
if (missing.length > 0)
  sections.push(
    `## Not made yet\n\nNo full run is committed of: ${missing.map((study) => `\`paper:${study}\``).join(', ')}. \`--quick\` makes a short one.`,
  );
await writeInto(here('./claims.md'), sections.join('\n\n'));
