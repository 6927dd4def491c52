/** `rela runs weights`: what a run has trained, as a state dict for PyTorch and for other runs. */
import { resolve } from 'node:path';
import type { Run } from '@rela/contracts';
import { type Command, Option } from 'commander';
import { BadResult } from '../output/failure.js';
import { formatBytes } from '../output/format.js';
import { openSession } from './session.js';

const KEPT = ['returned', 'last', 'best'] as const;

interface WeightsOptions {
  output: string;
  of: (typeof KEPT)[number];
}

function digestOf({ result, name }: Run, of: WeightsOptions['of']): string {
  if (!result?.weights)
    throw new BadResult(`Run "${name}" has no weights yet: it has not finished its training.`);
  if (of === 'returned') return result.weights;
  const digest = of === 'best' ? result.best?.weights : (result.lastWeights ?? result.weights);
  if (digest === undefined)
    throw new BadResult(
      `Run "${name}" kept no best weights: it looked at no held-out images. Train it with "validation", or leave --of out.`,
    );
  return digest;
}

export function addWeights(runs: Command): void {
  runs
    .command('weights')
    .description("download its backbone as a state dict under torchvision's or timm's names, safetensors")
    .argument('<run>', 'id')
    .requiredOption('-o, --output <file>', 'where to write it')
    .addOption(
      new Option('--of <which>', 'of the last step, best on the held-out images, or what the run returned')
        .choices(KEPT)
        .default('returned'),
    )
    .action(async (id: string, options: WeightsOptions, command: Command) => {
      const { client, output } = await openSession(command);
      const digest = digestOf(await client.runs.get(id), options.of);
      const path = resolve(options.output);
      const bytes = await client.artifacts.download(digest, path);
      output.result({ digest, path, bytes }, () => `${path}: ${formatBytes(bytes)}`);
    });
}
