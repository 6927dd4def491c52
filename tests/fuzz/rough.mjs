// Clients that send no request, but hold on to connections: headers and bodies a byte a second, floods of headers, bodies without end. Each
// has to be refused and cut off, and others have to be answered meanwhile.
import { get } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const AT_ONCE = 25;
const BYTE_EVERY_MS = 1000;
/** Far beyond the 20 s and the two that the service may look late: a client that is not cut off by then never is. */
const PATIENCE_MS = 90_000;
const OTHERS_EVERY_MS = 250;
const MIB = 1024 ** 2;

const lines = (...all) => `${['POST /v1/jobs HTTP/1.1', 'host: 127.0.0.1', ...all].join('\r\n')}\r\n`;
const JSON_OF = (bytes) => ['content-type: application/json', `content-length: ${bytes}`];
const headers = (count, bytes) => Array.from({ length: count }, (_, at) => `x-${at}: ${'a'.repeat(bytes)}`);

/** A text, a byte a second. */
async function* drip(text) {
  for (const byte of text) {
    yield byte;
    await sleep(BYTE_EVERY_MS);
  }
}

async function* all(text) {
  yield text;
}

async function* endless() {
  yield `${lines('content-type: application/json', 'transfer-encoding: chunked')}\r\n`;
  const chunk = `10000\r\n${' '.repeat(0x10000)}\r\n`;
  // A gigabyte is more than anybody reads.
  for (let sent = 0; sent < 1024 * MIB; sent += chunk.length) yield chunk;
}

async function* slowBody() {
  yield `${lines(...JSON_OF(1000))}\r\n`;
  yield* drip(' '.repeat(1000));
}

/** What each kind sends, and the status that it is refused with. */
const KINDS = {
  'headers a byte a second': { bytes: () => drip(lines(...headers(100, 10))), status: 408 },
  'a body a byte a second': { bytes: slowBody, status: 408 },
  'five thousand headers': { bytes: () => all(`${lines(...headers(5000, 10))}\r\n`), status: 431 },
  'a header of a mebibyte': { bytes: () => all(`${lines(...headers(1, MIB))}\r\n`), status: 431 },
  'a body of a terabyte, as its header says': {
    bytes: () => all(`${lines(...JSON_OF(1e12))}\r\n{`),
    status: 413,
  },
  'a body without end': { bytes: endless, status: 413 },
};

/** @returns what is wrong with how one client was treated; null: nothing */
async function sendRoughly(port, { bytes, status }) {
  const socket = connect(port, '127.0.0.1');
  let said = '';
  // The server may close while more is being sent.
  socket.on('error', () => undefined);
  socket.setEncoding('latin1').on('data', (piece) => {
    said += piece;
  });
  const closed = new Promise((resolve) => socket.on('close', () => resolve(true)));
  const drained = () => new Promise((resolve) => socket.once('drain', resolve));
  const sending = (async () => {
    for await (const piece of bytes()) {
      if (!socket.writable) return;
      if (!socket.write(piece)) await Promise.race([drained(), closed]);
    }
  })();
  const isCut = await Promise.race([closed, sleep(PATIENCE_MS, false, { ref: false })]);
  socket.destroy();
  await sending;
  const answered = Number(/^HTTP\/1\.1 (\d+)/.exec(said)?.[1] ?? 0);
  if (!isCut) return `was not cut off within ${PATIENCE_MS / 1000} s`;
  // An answer is lost where the connection was reset under what was still being sent.
  if (answered !== status && !(answered === 0 && status !== 408))
    return `was answered with ${answered || 'nothing'}, not ${status}`;
  return null;
}

/** Asks for what everybody asks for, again and again. @returns { asked, slowest (ms), faults } once `signal` is aborted */
async function others(port, signal) {
  const found = { asked: 0, slowest: 0, faults: [] };
  while (!signal.aborted) {
    const began = performance.now();
    const status = await new Promise((resolve) => {
      const asked = get({ host: '127.0.0.1', port, path: '/v1/jobs', agent: false, timeout: PATIENCE_MS });
      asked.on('response', (answer) => answer.resume().on('end', () => resolve(answer.statusCode)));
      asked.on('timeout', () => asked.destroy());
      asked.on('error', () => resolve(null));
    });
    found.asked += 1;
    found.slowest = Math.max(found.slowest, performance.now() - began);
    if (status !== 200) found.faults.push(`another client got ${status ?? 'no answer'} for its jobs`);
    await sleep(OTHERS_EVERY_MS);
  }
  return found;
}

/** @returns { clients, asTheyShould (of those, how many were refused and cut off), others: { asked, slowest (ms) }, faults } */
export async function treatRoughly(port) {
  const over = new AbortController();
  const watching = others(port, over.signal);
  const names = Object.keys(KINDS).flatMap((name) => Array.from({ length: AT_ONCE }, () => name));
  const answers = await Promise.all(names.map((name) => sendRoughly(port, KINDS[name])));
  over.abort();
  const { faults, ...found } = await watching;
  const rough = answers.flatMap((fault, at) => (fault ? [`${names[at]} ${fault}`] : []));
  return {
    clients: names.length,
    asTheyShould: names.length - rough.length,
    others: found,
    faults: [...rough, ...faults],
  };
}
