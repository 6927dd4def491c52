// Two sides in turn: a machine that is shared has phases twice as slow as others, and both sides must meet the same ones.
import { readFileSync } from 'node:fs';

/** A sample in which the host took more than this share of the processors away counts for nothing. */
const STEAL_SHARE = 0.02;
const TICKS_A_SECOND = 100;
/** Of the samples wanted, how many more are tried where some are dropped. */
const PATIENCE = 2;

/** Seconds that the host has given to others, over all processors; 0 where the system does not tell. */
function stolenSeconds() {
  try {
    const [line] = readFileSync('/proc/stat', 'utf8').split('\n');
    return Number(line.trim().split(/\s+/)[8]) / TICKS_A_SECOND;
  } catch {
    return 0;
  }
}

const sorted = (values) => [...values].sort((a, b) => a - b);

export function quantile(values, share) {
  const order = sorted(values);
  return order[Math.min(order.length - 1, Math.floor(share * order.length))];
}

/**
 * Times `ours` and `theirs`, functions that resolve with seconds, in turn.
 * @returns the medians, and of the ratios of neighbours the median and the lower quartile
 */
export async function inTurn(ours, theirs, { pairs, warmUp = 2, say = () => undefined }) {
  for (let round = 0; round < warmUp; round++) {
    await ours();
    await theirs();
  }
  const samples = [];
  let dropped = 0;
  for (let round = 0; samples.length < pairs && round < PATIENCE * pairs; round++) {
    const before = stolenSeconds();
    const began = performance.now();
    const pair = [await ours(), await theirs()];
    const wall = (performance.now() - began) / 1000;
    if (stolenSeconds() - before > STEAL_SHARE * wall) {
      dropped++;
      continue;
    }
    samples.push(pair);
    say(`${samples.length}/${pairs}: ${pair.map((seconds) => seconds.toFixed(3)).join(' against ')} s`);
  }
  if (samples.length === 0)
    throw new Error('The host took the processors away in every sample. Try again later.');
  const ratios = samples.map(([a, b]) => a / b);
  return {
    value: quantile(
      samples.map(([a]) => a),
      0.5,
    ),
    reference: quantile(
      samples.map(([, b]) => b),
      0.5,
    ),
    ratio: quantile(ratios, 0.5),
    lowerQuartile: quantile(ratios, 0.25),
    samples: samples.length,
    dropped,
  };
}
