/** What the log says of a part that goes away, and how loops wait for it. */
import { ProblemError } from '@rela/contracts';
import { DatabaseUnavailable } from '@rela/database';
import { expect, it } from 'vitest';
import { Bell } from './bell.js';
import { Outages } from './outages.js';
import { keepGoing } from './rounds.js';

function recorder() {
  const lines: string[] = [];
  const line = (level: string) => (_fields: object, message: string) =>
    void lines.push(`${level}: ${message}`);
  return { lines, log: { info: line('info'), warn: line('warn'), error: line('error') } as never };
}

const away = async () => {
  throw new DatabaseUnavailable(new Error('gone'));
};
const queueAway = async () => {
  throw new ProblemError('unavailable', 'gone');
};

it('logs that a part went away once, and once that it is back', async () => {
  const { lines, log } = recorder();
  const outages = new Outages(log);
  await outages.ask('database', async () => 1);
  for (let tries = 0; tries < 3; tries++) {
    await expect(outages.ask('database', away)).rejects.toBeInstanceOf(DatabaseUnavailable);
    await expect(outages.ask('queue', queueAway)).rejects.toBeInstanceOf(ProblemError);
  }
  for (let tries = 0; tries < 2; tries++) await outages.ask('database', async () => 1);
  expect(lines).toEqual([
    'warn: the database does not answer; waiting for it',
    'warn: the queue does not answer; waiting for it',
    'info: the database answers again',
  ]);
});

it('goes on after failures of every kind, and says what is not an outage once in a row', async () => {
  const { lines, log } = recorder();
  const stop = new AbortController();
  const outages = new Outages(log);
  const failures = [away, () => Promise.reject(new Error('a bug')), () => Promise.reject(new Error('a bug'))];
  let worked = 0;
  await keepGoing(
    {
      name: 'the loop',
      work: async () => {
        const fail = failures.shift();
        if (fail) await outages.ask('database', fail);
        if (++worked === 2) stop.abort();
      },
      pause: async () => undefined,
    },
    { outages, log, signal: stop.signal },
  );
  expect(worked).toBe(2);
  expect(lines).toEqual([
    'warn: the database does not answer; waiting for it',
    'error: the loop failed; trying again',
  ]);
});

it('hears a bell that was rung before the pause, once', async () => {
  const bell = new Bell();
  const never = new AbortController().signal;
  bell.ring();
  await bell.wait(60_000, never);
  const heard = bell.wait(60_000, never);
  bell.ring();
  await heard;
  await bell.wait(1, never);
});
