// Loaded into every process of the world before anything else, by NODE_OPTIONS: a clock that jumps and a disk that is full or read-only, as
// the files in the folder of orders say. What the program itself does is its own: it asks the time and writes files as it always does, and
// is answered as an operating system with that clock and that disk would answer. No rights are needed, and no other process is touched.
//
// The clock is the wall clock (Date). performance.now() and timers go by the monotonic clock, which no setting of the time moves.
// A full disk takes names but no bytes: a write puts down the half of them and fails with ENOSPC. A read-only one refuses every change with
// EROFS, and files that are open too.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join, resolve, sep } from 'node:path';

const { RELA_CHAOS_ORDERS: orders, RELA_CHAOS_PROGRAM: program, RELA_CHAOS_DISK: disk } = process.env;
const LOOK_MS = 50;

function order(name) {
  try {
    return fs.readFileSync(join(orders, name), 'utf8');
  } catch {
    return '';
  }
}

function bendClock() {
  const realNow = Date.now;
  let shift = 0;
  const look = () => {
    shift = Number(order(`clock.${program}`)) || 0;
  };
  look();
  setInterval(look, LOOK_MS).unref();
  Date.now = () => realNow() + shift;
  globalThis.Date = new Proxy(Date, {
    apply: (Real) => new Real(Real.now()).toString(),
    construct: (Real, given, asked) =>
      Reflect.construct(Real, given.length === 0 ? [Real.now()] : given, asked),
  });
}

const MEANING = { ENOSPC: 'no space left on device', EROFS: 'read-only file system' };

function bendDisk() {
  const { promises } = fs;
  const roots = disk.split('\n').map((folder) => resolve(folder) + sep);
  const isThere = (path) => roots.some((root) => resolve(String(path)).startsWith(root));
  const refusal = (code, syscall, path) =>
    Object.assign(new Error(`${code}: ${MEANING[code]}, ${syscall} '${path}'`), { code, syscall, path });
  const state = () => order('disk');

  /** For what changes names: refused where the disk is read-only. */
  const refusedWhereReadOnly = (name, pathAt = 0) => {
    const real = promises[name];
    promises[name] = async (...given) => {
      const path = given[pathAt];
      if (isThere(path) && state() === 'EROFS') {
        // `mkdir -p` of what is there, and `rm -f` of what is not, change nothing.
        const exists = fs.existsSync(path);
        if (!(name === 'mkdir' && exists) && !(name === 'rm' && !exists)) throw refusal('EROFS', name, path);
      }
      return real(...given);
    };
  };
  for (const name of ['mkdir', 'rm', 'unlink', 'utimes', 'mkdtemp', 'copyFile']) refusedWhereReadOnly(name);
  refusedWhereReadOnly('rename', 1);
  refusedWhereReadOnly('link', 1);

  /** Half of the bytes are written, and then there is no room. */
  const writing =
    (real, path) =>
    async (data, ...rest) => {
      const code = state();
      if (code === 'EROFS') throw refusal(code, 'write', path);
      if (code === 'ENOSPC') {
        if (data?.length > 1) await real(data.slice(0, data.length >> 1), ...rest);
        throw refusal(code, 'write', path);
      }
      return real(data, ...rest);
    };
  const realOpen = promises.open;
  promises.open = async (path, flags = 'r', ...rest) => {
    const changes = flags !== 'r' && isThere(path);
    if (changes && state() === 'EROFS') throw refusal('EROFS', 'open', path);
    const handle = await realOpen(path, flags, ...rest);
    if (changes)
      for (const name of ['appendFile', 'writeFile', 'write'])
        handle[name] = writing(handle[name].bind(handle), path);
    return handle;
  };
  for (const name of ['writeFile', 'appendFile']) {
    const real = promises[name];
    promises[name] = async (path, data, ...rest) =>
      isThere(path) ? writing((part) => real(path, part, ...rest), path)(data) : real(path, data, ...rest);
  }
  syncBuiltinESMExports();
}

if (orders) {
  bendClock();
  bendDisk();
}
