// `npm run bench -- NAME [--json]`: one measured question, answered by the ratio of two sides that take turns in one run.
// `npm run bench -- paper:NAME [--quick] [--resume] [--seeds N | --only SEED] [--json] [--out FOLDER]`: a claim of the paper, shown by runs made
// there and then. `--only` adds one seed to those that are there, also beside another process that does so.
import { spawnSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { env } from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runPrepared } from '../demo/prepare.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const PAPER = 'paper:';

async function names() {
  const modules = async (folder) =>
    (await readdir(here(folder))).filter((file) => file.endsWith('.mjs')).map((file) => file.slice(0, -4));
  const studies = (await modules('./paper')).map((study) => PAPER + study);
  return [...(await modules('./questions')), ...studies].sort();
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        json: { type: 'boolean', default: false },
        quick: { type: 'boolean', default: false },
        resume: { type: 'boolean', default: false },
        seeds: { type: 'string' },
        only: { type: 'string' },
        out: { type: 'string' },
      },
    });
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    return { positionals: [], values: {} };
  }
}

const {
  // What of a question is asked follows its name, for those that have parts.
  positionals: [name, ...parts],
  values: { json, quick, resume, seeds, only, out },
} = readArguments();

if (!name || !(await names()).includes(name)) {
  process.stderr.write(
    `npm run bench -- NAME [--json], or paper:NAME [--quick] [--resume] [--seeds N | --only SEED] [--json] [--out FOLDER], where NAME is one of: ${(await names()).join(', ')}\n`,
  );
  process.exit(1);
}

/**
 * Both sides keep freed memory and use huge pages, as the service's training processes do: without that a library that frees its
 * tensors after every step is charged for the kernel's work of clearing them. glibc reads this when a process starts.
 */
const ALLOCATOR =
  'glibc.malloc.hugetlb=1:glibc.malloc.trim_threshold=17179869184:glibc.malloc.mmap_threshold=33554432';

if (env.GLIBC_TUNABLES === undefined) {
  const { status } = spawnSync(process.execPath, process.argv.slice(1), {
    stdio: 'inherit',
    env: { ...env, GLIBC_TUNABLES: ALLOCATOR },
  });
  process.exit(status ?? 1);
}

const say = (text) => process.stderr.write(`${text}\n`);
const print = (text) => process.stdout.write(`${text}\n`);
const asJson = (value) => JSON.stringify(value, null, 2);

async function answerQuestion() {
  const { measure, parts: known = [] } = await import(`./questions/${name}.mjs`);
  const strange = parts.filter((part) => !known.includes(part));
  if (strange.length > 0) {
    const there = known.length > 0 ? `Its parts are: ${known.join(', ')}` : 'It has no parts';
    say(`"${name}" has no ${strange.map((part) => `"${part}"`).join(', ')}. ${there}.`);
    process.exitCode = 1;
    return;
  }
  const { machine } = await import('./machine.mjs');
  const { tableOf } = await import('./report.mjs');
  const result = { bench: name, machine: machine(), cases: await measure(say, parts) };
  print(json ? asJson(result) : tableOf(result));
}

/** A quick run never takes the place of a full one's results. */
async function showClaims() {
  const study = name.slice(PAPER.length);
  const { study: make } = await import(`./paper/${study}.mjs`);
  const { machine } = await import('./machine.mjs');
  const { markdownTable, PlannedOtherwise, readStudy, writeStudy } = await import(
    './paper/laboratory/write.mjs'
  );
  const folder = out ?? here(quick ? './results/quick' : './results');
  const keep = (answer) => writeStudy(folder, study, answer, { machine: machine(), quick });
  const isCount = (text) => text === undefined || (Number.isInteger(Number(text)) && Number(text) > 0);
  if (!isCount(seeds) || !isCount(only)) {
    say(
      isCount(seeds)
        ? `--only names the seed that is made, 1 or more; "${only}" is none.`
        : `--seeds says how many seeds are made, 1 or more; "${seeds}" is no such number.`,
    );
    process.exitCode = 1;
    return;
  }
  const wanted = (all) => (only === undefined ? all.slice(0, seeds && Number(seeds)) : [Number(only)]);
  const earlier = () => (resume || only !== undefined ? readStudy(folder, study) : null);
  const answer = await make({ quick, say, wanted, earlier, keep }).catch((error) => {
    if (!(error instanceof PlannedOtherwise)) throw error;
    say(error.message);
    return null;
  });
  if (answer === null) {
    process.exitCode = 1;
    return;
  }
  const files = await keep(answer);
  const { title, claims, tables } = answer;
  if (json) {
    print(
      await readFile(
        files.find((file) => file.endsWith('.json')),
        'utf8',
      ),
    );
    return;
  }
  print(title);
  for (const { claim, holds, shown } of claims)
    print(`${holds ? 'holds' : 'DOES NOT HOLD'}: ${claim}. ${shown}`);
  for (const { title: heading, rows } of tables) print(`\n${heading}\n${markdownTable(rows)}`);
  print(`\n${files.join('\n')}`);
}

// Only the result goes to stdout, so that it can be piped.
await runPrepared(name.startsWith(PAPER) ? showClaims : answerQuestion, { log: process.stderr });
process.exit();
