import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type Relay, relayOutbox } from './relay.js';

const { sleep } = vi.hoisted(() => ({ sleep: vi.fn(async () => undefined) }));
vi.mock('node:timers/promises', () => ({ setTimeout: sleep }));

/** What happened, in order. */
let log: string[];
beforeEach(() => {
  log = [];
  sleep.mockImplementation(async () => void log.push('pause'));
});
afterEach(() => vi.clearAllMocks());

const message = (id: number) => ({
  ...{ id: String(id), stageId: `stg_${id}`, kind: 'embed' as const, dispatch: 1, priority: 0, delayMs: 0 },
});

/** Whose outbox has batches of so many messages. */
function relayOf(...batches: number[]) {
  const left = [...batches];
  const relay = {
    database: {
      outbox: {
        take: async () => Array.from({ length: left.shift() ?? 0 }, (_, id) => message(id)),
        markSent: async (ids: string[]) => void log.push(`marked ${ids.length}`),
      },
    },
    queue: { send: async (messages: unknown[]) => void log.push(`sent ${messages.length}`) },
    outages: { ask: (_server: string, work: () => Promise<unknown>) => work() },
    log: { debug: () => undefined },
    signal: new AbortController().signal,
  };
  return relay as unknown as Relay;
}

it('sends what waits before it marks it, until nothing waits', async () => {
  expect(await relayOutbox(relayOf(3, 2))).toBe(5);
  expect(log).toEqual(['sent 3', 'marked 3', 'sent 2', 'marked 2']);
});

it('pauses where it carried many: workers are at them, and what waits meanwhile goes together', async () => {
  await relayOutbox(relayOf(100, 15, 16));
  expect(log).toEqual([
    'sent 100',
    'marked 100',
    'pause',
    'sent 15',
    'marked 15',
    'sent 16',
    'marked 16',
    'pause',
  ]);
});
