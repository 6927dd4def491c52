/** `rela engines`: what this machine can train on. Asks no service: the machine is the one that the command runs on. */
import type { EngineListing } from '@rela/engine';
import type { Command } from 'commander';
import { createOutput } from '../output/output.js';
import { type Column, formatTable } from '../output/table.js';
import type { GlobalOptions } from './session.js';

const LIBRARY: Record<EngineListing['on'], string> = {
  cpu: 'ONNX Runtime, processor',
  webgpu: 'ONNX Runtime, WebGPU',
  cuda: 'ONNX Runtime, CUDA',
  'tensorflow-gpu': 'tfjs-node-gpu',
  tensorflow: 'tfjs-node',
};

const COLUMNS: Column<EngineListing>[] = [
  { title: 'ENGINE', value: ({ engine }) => engine },
  { title: 'ON', value: ({ on }) => LIBRARY[on] },
  { title: 'USABLE', value: ({ usable, auto }) => (usable ? (auto ? 'yes, auto' : 'yes') : 'no') },
  { title: 'ABOUT', value: ({ about }) => about },
];

function describe(engines: readonly EngineListing[]): string {
  const remedies = engines.flatMap(({ on, remedy }) =>
    remedy === null ? [] : [`${LIBRARY[on]} needs: ${remedy}`],
  );
  return [formatTable(COLUMNS, engines), ...(remedies.length === 0 ? [] : ['', ...remedies])].join('\n');
}

export function addEngines(program: Command): void {
  program
    .command('engines')
    .description('what this machine can train on, why the rest cannot be used, and which one `auto` takes')
    .action(async (_options: unknown, command: Command) => {
      const output = createOutput(command.optsWithGlobals<GlobalOptions>().json === true);
      // TF.js is large, and no other command needs it.
      const { listEngines } = await import('@rela/engine');
      const engines = await listEngines();
      output.result(engines, () => describe(engines));
    });
}
