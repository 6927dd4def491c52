// Two rates in turn. Sides tell how long a thousand take, so that they can be timed as everything else is; a case has them as rates.
import { inTurn } from '../pairs.mjs';

/** @param ours, theirs resolve with the seconds of a thousand; @returns a case whose ratio is 1 where both are equally fast, more where ours is faster */
export async function ratesInTurn(name, { ours, theirs, unit, peer, pairs, warmUp = 1, say }) {
  const timing = await inTurn(theirs, ours, {
    ...{ pairs, warmUp },
    say: (text) => say(`${name}, a thousand, the peer first, ${text}`),
  });
  return { name, unit, ...timing, value: 1000 / timing.reference, reference: 1000 / timing.value, peer };
}
