// What is left of Fastify's speed when a job is looked up? GET /v1/jobs/:id over jobs in turn, 50 connections, against hello world on
// Fastify as it comes. Each in a process of its own, and so is what sends the requests.
import { fileURLToPath } from 'node:url';
import { startPeer } from '../peer.mjs';
import { ratesInTurn } from '../service/rates.mjs';
import { createWorld, headers, jobs } from '../service/world.mjs';

const script = (name) => fileURLToPath(new URL(`../service/${name}.mjs`, import.meta.url));
const CONNECTIONS = 50;
const SECONDS = 4;
const PAIRS = 5;
const JOBS = 200;
const SHARDS = 8;

const load = (options) =>
  startPeer(
    [
      process.execPath,
      script('load'),
      JSON.stringify({ method: 'GET', connections: CONNECTIONS, seconds: SECONDS, ...options }),
    ],
    'The load generator',
  );

export async function measure(say) {
  const world = await createWorld({ programs: ['api'] });
  const hello = await startPeer([process.execPath, script('hello')], 'Hello world');
  const bare = await load({ url: hello.told.url, paths: ['/'] });
  try {
    const { id: dataset } = await world.addDataset('images', SHARDS);
    const cases = [];
    for (const [name, jobOf] of Object.entries(jobs)) {
      const paths = [];
      for (let count = 0; count < JOBS; count++)
        paths.push(`/v1/jobs/${(await world.ask('/v1/jobs', jobOf(dataset))).id}`);
      const ours = await load({ url: world.url, paths, headers });
      cases.push(
        await ratesInTurn(name, {
          ours: ours.step,
          theirs: bare.step,
          ...{ unit: 'requests/s', peer: 'hello world on Fastify', pairs: PAIRS, say },
        }),
      );
      ours.stop();
    }
    return cases;
  } finally {
    bare.stop();
    hello.stop();
    await world.close();
  }
}
