/** Pieces that the schemas of routes share. */

import { Readable } from 'node:stream';
import { Problem } from '@rela/contracts';
import { z } from 'zod';
import { PROBLEM_TYPE } from './problems.js';

/** What every route may answer instead. */
export const problems = {
  default: {
    description: 'A problem, as RFC 9457 says, with a stable `code`',
    content: { [PROBLEM_TYPE]: { schema: Problem } },
  },
};

/** Path parameter of a resource that has a name. */
export const ReferencePath = z.object({ id: z.string().min(1).max(200).describe('id, name or digest') });
export const IdPath = z.object({ id: z.string().min(1).max(200) });

/** A body that is piped; Fastify never serialises a stream. */
export const Streamed = z.instanceof(Readable).meta({ type: 'string', format: 'binary' });

/** Largest sequence or step that a column of the database holds. */
export const LARGEST_NUMBER = 2 ** 31 - 1;
