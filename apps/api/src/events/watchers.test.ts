/** Watching a job in which nothing happens. */
import { getEventListeners } from 'node:events';
import { expect, it } from 'vitest';
import { Watcher } from './watchers.js';

it('leaves nothing behind where there is no news, however often it is asked', async () => {
  const watcher = new Watcher({ watchers: new Set(), job: null, text: '' }, () => undefined);
  const { signal } = new AbortController();
  expect(await watcher.news(1, signal)).toBe(true);
  for (let time = 0; time < 3; time++) expect(await watcher.news(1, signal)).toBe(false);
  expect(getEventListeners(signal, 'abort')).toEqual([]);
  watcher.tell();
  expect(await watcher.news(60_000, signal)).toBe(true);
});
