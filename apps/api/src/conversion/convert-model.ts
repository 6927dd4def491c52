/** Makes an ONNX file of a TF.js model, in a process of its own. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Preprocessing, ProblemError } from '@rela/contracts';
import { type Limits, runLimited, withScratch } from '@rela/process';
import type { ConversionReply, ConversionWork } from './messages.js';

export interface Conversion {
  /** Files of the model: plain name and path. Only those that model.json names are read. */
  files: [name: string, path: string][];
  maxBytes: number;
  output?: string | undefined;
  preprocessing?: Partial<Preprocessing> | undefined;
}

/** InceptionV3, 90 MB of ONNX, takes three seconds on two processors. */
const MILLISECONDS = 180_000;

const PROGRAM = new URL('./conversion-process.js', import.meta.url);
const SUBJECT = {
  what: 'The conversion of the TF.js model',
  advice: 'Convert a smaller model, or name an output nearer to its input.',
};

/**
 * @returns the bytes of the ONNX file
 * @throws ProblemError `invalid-model`: what was wrong, where, what to do; `errors` by field where a field has to be given
 */
export async function convertModel(
  { files, maxBytes, output, preprocessing = {} }: Conversion,
  limits: Partial<Limits> = {},
): Promise<Uint8Array> {
  const { height, width, channels } = preprocessing;
  return withScratch('conversion', async (folder) => {
    const target = join(folder, 'model.onnx');
    const work: ConversionWork = {
      ...{ files, target, maxBytes, image: [height, width, channels] },
      ...(output === undefined ? {} : { output }),
    };
    const reply = await runLimited<ConversionWork, ConversionReply>(
      PROGRAM,
      work,
      { milliseconds: MILLISECONDS, ...limits },
      SUBJECT,
    );
    switch (reply.kind) {
      case 'converted':
        return await readFile(target);
      case 'refused':
        throw refusal(reply);
      case 'unknown-sizes':
        throw unknownSizes(reply.sizes);
      default:
        return reply satisfies never;
    }
  });
}

function refusal({ code, reason }: Extract<ConversionReply, { kind: 'refused' }>): ProblemError {
  return new ProblemError(
    'invalid-model',
    reason,
    code === 'unknown-output' ? [{ field: 'output', message: reason }] : undefined,
  );
}

function unknownSizes(sizes: readonly string[]): ProblemError {
  return new ProblemError(
    'invalid-model',
    `The model takes images of any size. Give ${sizes.map((size) => `preprocessing.${size}`).join(', ')}: what it was trained at.`,
    sizes.map((size) => ({
      field: `preprocessing.${size}`,
      message: `cannot be read from the model, whose input takes any; give ${size === 'channels' ? '1 or 3' : 'the size in pixels that it was trained at'}`,
    })),
  );
}
