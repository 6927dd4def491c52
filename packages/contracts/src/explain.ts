/** Turns a failed validation into sentences: the field, what is wrong, and the nearest valid name where there is one. */
import { closest, distance } from 'fastest-levenshtein';
import type { z } from 'zod';
import { ProblemError } from './problem.js';

export type JsonSchema = { [key: string]: unknown };

/** Every property name that the JSON schema `node` allows at `path`, over all branches of unions. */
export function fieldsAt(node: JsonSchema, path: PropertyKey[], root: JsonSchema = node): string[] {
  const reference = node.$ref;
  if (typeof reference === 'string') {
    const name = reference.split('/').at(-1) ?? '';
    const target = (root.$defs as Record<string, JsonSchema> | undefined)?.[name];
    return target ? fieldsAt(target, path, root) : [];
  }
  const branches = [node.anyOf, node.oneOf, node.allOf].filter(Array.isArray).flat() as JsonSchema[];
  const found = branches.flatMap((branch) => fieldsAt(branch, path, root));
  const properties = node.properties as Record<string, JsonSchema> | undefined;
  if (path.length === 0) return [...found, ...Object.keys(properties ?? {})];
  const [head, ...rest] = path;
  if (typeof head === 'number')
    return node.items ? [...found, ...fieldsAt(node.items as JsonSchema, rest, root)] : found;
  const next = properties?.[String(head)];
  return next ? [...found, ...fieldsAt(next, rest, root)] : found;
}

/** The candidate nearest to `word`, if it is near enough to be what was meant. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  if (candidates.length === 0) return undefined;
  const best = closest(word, candidates as string[]);
  return distance(word.toLowerCase(), best.toLowerCase()) <= Math.max(2, Math.ceil(word.length / 3))
    ? best
    : undefined;
}

export function fieldName(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, part) =>
      typeof part === 'number' ? `${text}[${part}]` : text === '' ? String(part) : `${text}.${String(part)}`,
    '',
  );
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null ? (inner as Record<PropertyKey, unknown>)[key] : undefined,
    value,
  );
}

/** A union of which every branch wants another value in the same place: one choice with all of the values. */
function wrongChoice({
  path,
  errors,
}: Extract<z.core.$ZodIssue, { code: 'invalid_union' }>): z.core.$ZodIssue | null {
  const first = errors.flatMap((branch) => branch[0] ?? []);
  const [one] = first;
  if (one?.code !== 'invalid_value' || first.length !== errors.length) return null;
  const values = first.flatMap((issue) =>
    issue.code === 'invalid_value' && fieldName(issue.path) === fieldName(one.path) ? issue.values : [],
  );
  return values.length < first.length ? null : { ...one, values, path: [...path, ...one.path] };
}

/** What is wrong by the one branch of a union that takes a value of this kind, an object or a word; null where there is not one. */
function nearestBranch(
  { path, errors }: Extract<z.core.$ZodIssue, { code: 'invalid_union' }>,
  input: unknown,
): z.core.$ZodIssue[] | null {
  const isObject = typeof valueAt(input, path) === 'object';
  const wantsAnotherKind = ([first]: z.core.$ZodIssue[]) =>
    first?.path.length === 0 &&
    (first.code === 'invalid_type' || (isObject && first.code === 'invalid_value'));
  const branches = errors.filter((branch) => !wantsAnotherKind(branch));
  const [only] = branches;
  if (branches.length !== 1 || !only) return null;
  return only.map((issue) => ({ ...issue, path: [...path, ...issue.path] }));
}

/** Refusals are logged: the password in an address is not for the log. */
const withoutUser = (text: string): string => text.replace(/(:\/\/)[^/?#]*@/g, '$1…@');

/** One entry a fault: the field, and a sentence about it. `schema` is the JSON schema of what was parsed. */
export function explainIssues(
  issues: readonly z.core.$ZodIssue[],
  input: unknown,
  schema: JsonSchema,
): { field: string; message: string }[] {
  return issues.flatMap((issue) => {
    if (issue.code === 'invalid_union') {
      const choice = wrongChoice(issue);
      if (choice) return explainIssues([choice], input, schema);
      const nearer = nearestBranch(issue, input);
      if (nearer) return explainIssues(nearer, input, schema);
    }
    if (issue.code === 'unrecognized_keys') {
      const valid = [...new Set(fieldsAt(schema, [...issue.path], schema))];
      return issue.keys.map((key) => {
        const meant = nearest(key, valid);
        return {
          field: fieldName([...issue.path, key]),
          message: `there is no field "${key}"${meant ? `; did you mean "${meant}"?` : `; valid ones: ${valid.join(', ')}`}`,
        };
      });
    }
    if (issue.code === 'invalid_value') {
      const value = valueAt(input, issue.path);
      const valid = issue.values.map(String);
      const meant = typeof value === 'string' ? nearest(value, valid) : undefined;
      const got = value === undefined ? 'is missing' : `${JSON.stringify(value)} is not valid`;
      return [
        {
          field: fieldName(issue.path),
          message: `${got}; ${meant ? `did you mean "${meant}"? ` : ''}Valid: ${valid.join(', ')}`,
        },
      ];
    }
    if (issue.code === 'invalid_type' && valueAt(input, issue.path) === undefined) {
      return [{ field: fieldName(issue.path), message: `is missing; it has to be ${issue.expected}` }];
    }
    const value = valueAt(input, issue.path);
    const shown =
      typeof value === 'number' || typeof value === 'string'
        ? ` (got ${withoutUser(JSON.stringify(value)).slice(0, 80)})`
        : '';
    return [{ field: fieldName(issue.path), message: `${issue.message}${shown}` }];
  });
}

/** The problem for a request that did not parse. `where` names what was read, such as "body". */
export function invalidRequest(
  where: string,
  issues: readonly z.core.$ZodIssue[],
  input: unknown,
  schema: JsonSchema,
): ProblemError {
  const errors = explainIssues(issues, input, schema);
  const text = errors
    .map((error) => (error.field ? `${error.field}: ${error.message}` : error.message))
    .join('. ');
  return new ProblemError('invalid-request', `The ${where} is not valid. ${text}`, errors);
}
