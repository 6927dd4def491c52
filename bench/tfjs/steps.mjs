// TF.js as the peer: the same step function as ours, op by op on its WASM backend, timed when told to by a line on standard input.
import { createRequire } from 'node:module';
import { argv, stdin, stdout } from 'node:process';
import { createInterface } from 'node:readline';
import { tf } from '@rela/engine';
import { startOurs } from '../ours.mjs';
import { registerGradients } from './gradients.mjs';

const require = createRequire(import.meta.url);
require('@tensorflow/tfjs-backend-wasm');
registerGradients();

const { step } = await startOurs(JSON.parse(argv[2]), { engine: 'eager', backend: 'wasm' });
const hasSimd = await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT');
stdout.write(`${JSON.stringify({ setting: hasSimd ? 'WASM with SIMD' : 'WASM without SIMD' })}\n`);
for await (const _ of createInterface({ input: stdin }))
  stdout.write(`${JSON.stringify({ seconds: await step() })}\n`);
