/** Answers of a JSON document a line, as they come. */
import type { z } from 'zod';
import { RelaConnectionError } from './errors.js';

/** @throws RelaConnectionError where the answer breaks off */
export async function* linesOf<S extends z.ZodType>(
  response: Response,
  schema: S,
): AsyncGenerator<z.output<S>, void, undefined> {
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const lines = (rest + value).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) yield schema.parse(JSON.parse(line));
    }
  } catch (error) {
    if (error instanceof TypeError) throw new RelaConnectionError('The answer broke off.', { cause: error });
    throw error;
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
