#!/usr/bin/env node
// The `rela` command. Plain JavaScript, so that it can say what is missing before anything is built.
import { existsSync } from 'node:fs';

const [major, minor] = process.versions.node.split('.').map(Number);
const program = new URL('../dist/main.js', import.meta.url);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`rela needs Node 20.19 or newer; this is ${process.versions.node}.\n`);
  process.exitCode = 1;
} else if (!existsSync(program)) {
  process.stderr.write('rela is not built yet. Run `npm run build` in the repository first.\n');
  process.exitCode = 1;
} else {
  await import(program.href);
}
