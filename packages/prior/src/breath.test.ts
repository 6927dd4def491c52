import { expect, it, vi } from 'vitest';
import { breathing } from './breath.js';

it('gives the thread away only when it has been kept for a while, and then for one turn', async () => {
  const clock = vi.spyOn(performance, 'now').mockReturnValue(1000);
  try {
    const breath = breathing();
    expect(breath()).toBeUndefined();
    clock.mockReturnValue(1051);
    let others = false;
    setImmediate(() => {
      others = true;
    });
    await breath();
    expect(others).toBe(true);
    expect(breath()).toBeUndefined();
  } finally {
    clock.mockRestore();
  }
});

it('ends the computation with the reason of the signal', async () => {
  const clock = vi.spyOn(performance, 'now').mockReturnValue(1000);
  try {
    const stop = new AbortController();
    const breath = breathing(stop.signal);
    clock.mockReturnValue(1051);
    stop.abort(new Error('cancelled'));
    await expect(breath()).rejects.toThrow('cancelled');
  } finally {
    clock.mockRestore();
  }
});
