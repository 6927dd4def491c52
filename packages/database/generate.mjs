// Generates the Prisma client from prisma/schema.prisma, without the schema engine that the CLI would download:
// `generate` never runs it, so any executable that exists satisfies the check.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const cli = createRequire(import.meta.url).resolve('prisma/build/index.js');
const { status, error } = spawnSync(
  process.execPath,
  [cli, 'generate', '--schema', fileURLToPath(new URL('../../prisma/schema.prisma', import.meta.url))],
  {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      CHECKPOINT_DISABLE: '1',
      PRISMA_HIDE_UPDATE_MESSAGE: '1',
      PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
    },
  },
);
if (error) throw error;
process.exit(status ?? 1);
