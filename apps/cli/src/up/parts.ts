/** The parts of a service, and the programs that they are. Apps are started by path: one never imports another. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

export const PARTS = ['api', 'orchestrator', 'embed-worker', 'train-worker'] as const;
export type PartName = (typeof PARTS)[number];

const require = createRequire(import.meta.url);

/** Path of the part's program. @throws where the part is not built or not installed */
export function programOf(part: PartName): string {
  return join(dirname(require.resolve(`@rela/${part}`)), 'main.js');
}
