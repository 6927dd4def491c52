/** Whole parts of a count, for ratios that people write in decimal. */

/** ⌊ratio·count⌋, as meant: 0.29 of 100 is 29, although 0.29 · 100 is a little less in floating point. */
export function portion(ratio: number, count: number): number {
  const tolerance = 1 + 2 ** -51;
  return Math.min(count, Math.floor(ratio * count * tolerance));
}
