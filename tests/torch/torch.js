/**
 * PyTorch from Node: finds a Python that has it, runs the scripts of this folder's kind, and writes and reads the tensors that they
 * share (tensors.py). JavaScript, because the benches run it as it is.
 */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** @import { HostTensors } from '@rela/engine' */

const run = promisify(execFile);

/** The system's own comes second: its packages are Debian's `python3-torch`. */
const CANDIDATES = ['python3', '/usr/bin/python3'];

/** @param {string} modules */
async function findPython(modules) {
  for (const python of CANDIDATES) {
    const found = await run(python, ['-c', `import ${modules}`]).then(
      () => true,
      () => false,
    );
    if (found) return python;
  }
  return null;
}

/**
 * Path of the interpreter, null where none has PyTorch.
 * @returns {Promise<string | null>}
 */
export const findTorch = () => findPython('numpy, torch');

/**
 * The same for NumPy alone.
 * @returns {Promise<string | null>}
 */
export const findNumpy = () => findPython('numpy');

/** Path of a script of this folder. @param {string} name */
export const scriptOf = (name) => fileURLToPath(new URL(name, import.meta.url));

/**
 * Runs a script to its end.
 * @param {string} python @param {string} script its path @param {string[]} args
 * @throws with what it wrote to stderr
 */
export async function runPython(python, script, args) {
  await run(python, [script, ...args]);
}

/** @param {string} folder @param {string} name @param {HostTensors} tensors written as float32 */
export async function writeTensors(folder, name, tensors) {
  /** @type {Record<string, { shape: number[], at: number }>} */
  const index = {};
  const parts = [];
  let at = 0;
  for (const [key, { shape, data }] of Object.entries(tensors)) {
    index[key] = { shape, at };
    at += data.length;
    const floats = data instanceof Float32Array ? data : Float32Array.from(data);
    parts.push(Buffer.from(floats.buffer, floats.byteOffset, floats.byteLength));
  }
  await writeFile(join(folder, `${name}.bin`), Buffer.concat(parts));
  await writeFile(join(folder, `${name}.json`), JSON.stringify(index));
}

/** @param {string} folder @param {string} name @returns {Promise<Map<string, Float32Array>>} */
export async function readTensors(folder, name) {
  const bytes = await readFile(join(folder, `${name}.bin`));
  const numbers = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  /** @type {Record<string, { shape: number[], at: number }>} */
  const index = JSON.parse(await readFile(join(folder, `${name}.json`), 'utf8'));
  return new Map(
    Object.entries(index).map(([key, { shape, at }]) => [
      key,
      numbers.subarray(at, at + shape.reduce((product, side) => product * side, 1)),
    ]),
  );
}
