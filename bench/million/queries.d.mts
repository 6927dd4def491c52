/** Of queries.mjs, for the test that is in TypeScript. */
import type { Database } from '@rela/database';

export interface Query {
  repository: string;
  method: string;
  name: string;
  /** Arguments of a call each. */
  calls: unknown[][];
}

export function drawSample(url: string, options: { count: number; seed?: number }): Promise<object>;
export function queriesOf(sample: object): Query[];
export function ask(
  database: Database,
  query: Query,
  given: unknown[],
  tenant?: string,
): Promise<number | null>;
