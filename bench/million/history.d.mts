/** Of history.mjs, for the test that is in TypeScript. */
export function fillHistory(
  url: string,
  options: { runs: number; seed?: number; say?: (text: string) => void },
): Promise<{ jobs: number; runs: number; seconds: number }>;
