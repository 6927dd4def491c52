// Embeds shards in a process of its own, as an embed worker does one stage after the other, and prints its peak resident memory.
import { readFileSync } from 'node:fs';
import { EmbedderCache, embedShard } from '@rela/stages';
import { openStore } from '@rela/storage';
import { THREADS } from './ours.mjs';

const { folder, prior, shards } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const store = openStore(folder);
const cache = new EmbedderCache(THREADS);
const tools = { store, signal: new AbortController().signal, progress: () => undefined };
let images = 0;
for (const shard of shards) images += (await embedShard({ kind: 'embed', shard, prior }, cache, tools)).count;
await cache.close();
const [, kib] = readFileSync('/proc/self/status', 'utf8').match(/VmHWM:\s+(\d+) kB/);
process.stdout.write(JSON.stringify({ images, peakBytes: Number(kib) * 1024 }));
process.exit();
