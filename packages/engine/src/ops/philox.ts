/** Philox4x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). */

export const MULTIPLIERS = [0xd2511f53, 0xcd9e8d57] as const;
export const WEYL = [0x9e3779b9, 0xbb67ae85] as const;
export const ROUNDS = 10;

export type Words = readonly [number, number, number, number];

/** Both halves of the 64-bit product of two 32-bit words. */
function product(a: number, b: number): { high: number; low: number } {
  const whole = BigInt(a) * BigInt(b);
  return { high: Number(whole >> 32n), low: Number(whole & 0xffffffffn) };
}

/** The four random words, unsigned, of a counter under a key. */
export function philox(counter: Words, key: readonly [number, number]): Words {
  let [x0, x1, x2, x3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < ROUNDS; round++) {
    const first = product(MULTIPLIERS[0], x0);
    const second = product(MULTIPLIERS[1], x2);
    [x0, x1, x2, x3] = [(second.high ^ x1 ^ k0) >>> 0, second.low, (first.high ^ x3 ^ k1) >>> 0, first.low];
    k0 = (k0 + WEYL[0]) >>> 0;
    k1 = (k1 + WEYL[1]) >>> 0;
  }
  return [x0, x1, x2, x3];
}
