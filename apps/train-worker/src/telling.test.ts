import type { RunMetric } from '@rela/contracts';
import { expect, it } from 'vitest';
import type { FromChild } from './messages.js';
import { createTelling } from './telling.js';

const metric = (step: number): RunMetric => ({
  ...{ step, epoch: 0, phase: 'rela', loss: 1, rho: null, classifierAccuracy: null, seconds: step },
});

function heard() {
  const messages: FromChild[] = [];
  const telling = createTelling(async (message) => void messages.push(message));
  const steps = () =>
    messages.map((message) => {
      if (message.type === 'metrics') return message.metrics.map(({ step }) => step);
      return message.type === 'checkpoint' ? `checkpoint ${message.step}` : message.type;
    });
  return { telling, steps };
}

it('tells the metrics of every step before the checkpoint from which nobody makes those steps again', () => {
  const { telling, steps } = heard();
  for (const step of [1, 2, 3]) telling.metric(metric(step));
  telling.checkpoint({ step: 3, digest: `sha256:${'0'.repeat(64)}`, bytes: 1, final: false });
  telling.metric(metric(4));
  expect(steps()).toEqual([[1], [2, 3], 'checkpoint 3']);
});

it('sends at its end what still waits, once', async () => {
  const { telling, steps } = heard();
  for (const step of [1, 2]) telling.metric(metric(step));
  for (const done of [1, 2]) telling.progress(done, 2, 'steps');
  await telling.flush();
  await telling.flush();
  expect(steps()).toEqual([[1], 'progress', [2], 'progress']);
});
