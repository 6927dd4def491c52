/** Finds the user's line behind an op: the first frame of the stack that is neither TF.js nor this package. */
import { fileURLToPath } from 'node:url';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));

/** Deep enough to reach past TF.js's gradient machinery. */
export const STACK_DEPTH = 64;

export function sourceLine(stack: string = new Error().stack ?? ''): string {
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line));
  const isOurs = (frame: string) =>
    frame.includes(PACKAGE) && !/\.test\.[jt]s/.test(frame) && !frame.includes(`${PACKAGE}examples`);
  const frame = frames.find(
    (line) =>
      /:\d+:\d+\)?$/.test(line) && !line.includes('@tensorflow') && !line.includes('node:') && !isOurs(line),
  );
  return frame?.trim().replace(/^at /, '') ?? 'an unknown line';
}
