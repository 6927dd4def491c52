/** Of plans.mjs, for the test that is in TypeScript. */
import type { Client } from 'pg';

export function readsOf<T>(
  client: Client,
  work: () => Promise<T>,
): Promise<{ answer: T; rows: number; buffers: number; whole: string[] }>;
