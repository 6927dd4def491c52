/** Parses each part of a request with its zod schema; what does not parse becomes a problem that names the field. */
import { invalidRequest, ProblemError } from '@rela/contracts';
import type { FastifySchemaCompiler } from 'fastify';
import { z } from 'zod';
import { UNSTORABLE, unstorableIn } from './storable.js';

const partNames: Record<string, string> = {
  body: 'body',
  querystring: 'query',
  params: 'path',
  headers: 'headers',
};

const MISSING =
  'The body is missing. Send one with its content-type: application/json, or application/octet-stream for a file.';

export const compileValidator: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart }) => {
  const jsonSchema = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  const part = partNames[httpPart ?? 'body'] ?? 'request';
  return (data: unknown) => {
    if (httpPart === 'body' && (data === undefined || data === null))
      return { error: new ProblemError('invalid-request', MISSING) };
    const unstorable = httpPart === 'params' || httpPart === 'querystring' ? unstorableIn(data) : null;
    if (unstorable !== null)
      return {
        error: new ProblemError('invalid-request', `The ${part} ${UNSTORABLE}. Leave it out.`, [
          { field: unstorable, message: UNSTORABLE },
        ]),
      };
    const parsed = schema.safeParse(data);
    return parsed.success
      ? { value: parsed.data }
      : { error: invalidRequest(part, parsed.error.issues, data, jsonSchema) };
  };
};

/** The same for all but the body: a handler reads it that has to know what was written. One that is missing is refused here. */
export const bodyAsWritten: FastifySchemaCompiler<unknown> = (part) => {
  if (part.httpPart !== 'body') return compileValidator({ ...part, schema: part.schema as z.ZodType });
  return (value: unknown) =>
    value === undefined || value === null
      ? { error: new ProblemError('invalid-request', MISSING) }
      : { value };
};
