// Readers of event streams in a process of its own. Its only argument: { url, paths, headers } as JSON, a stream a path. It says when all are
// open and quiet, and for every line on stdin the milliseconds from each event's `at` to its arrival, since the line before.
import http from 'node:http';
import { createInterface } from 'node:readline';
import { now } from './clock.mjs';

const { url, paths, headers } = JSON.parse(process.argv[2]);
const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const agent = new http.Agent({ keepAlive: false, maxSockets: Number.POSITIVE_INFINITY });
/** Of the events before the last question. */
let delays = [];

const AT = /"at":"([^"]+)"/;

function read(path) {
  return new Promise((resolve, reject) => {
    const request = http.get(`${url}${path}`, { agent, headers }, (response) => {
      response.setEncoding('utf8');
      let rest = '';
      response.on('data', (text) => {
        const arrived = now();
        const blocks = `${rest}${text}`.split('\n\n');
        rest = blocks.pop();
        for (const block of blocks)
          if (block.startsWith('id:')) delays.push(arrived - Date.parse(AT.exec(block)[1]));
      });
      response.on('error', () => undefined);
      resolve(request);
    });
    request.once('error', reject);
  });
}

const requests = [];
for (const path of paths) requests.push(await read(path));
answer({ open: requests.length });
for await (const _ of createInterface({ input: process.stdin })) {
  answer({ delays });
  delays = [];
}
for (const request of requests) request.destroy();
process.exit();
