import { expect, it } from 'vitest';
import { parseJson } from './json-body.js';
import { mayHoldUnstorable, unstorableIn } from './storable.js';

it('finds NUL and halves of surrogate pairs in values and names, however deep, and takes whole pairs', () => {
  expect(unstorableIn({ a: 'x', b: [1, null, '😀', 'é'] })).toBeNull();
  expect(unstorableIn({ a: [{ b: 'x\0' }] })).toBe('a[0].b');
  expect(unstorableIn({ a: { 'b\ud800': 1 } })).toBe('a');
  let deep: unknown = '\udc00';
  for (let level = 0; level < 100_000; level++) deep = [deep];
  expect(unstorableIn(deep)).toMatch(/^(\[0\]){32}…$/);
});

it('looks at a document where its text may hold such a character, as it is or escaped', () => {
  for (const text of ['"\0"', '"\\u0000"', '"\\uD800"', '"\\udfff"', '"\ud800"'])
    expect(mayHoldUnstorable(text)).toBe(true);
  for (const text of ['"😀"', '"\\u0001"', '"\\ue000"', '{}']) expect(mayHoldUnstorable(text)).toBe(false);
});

it('refuses a body with such a character by its field, and takes an escaped pair or backslash', () => {
  expect(() => parseJson('{"name":"a\\u0000b"}', 'The body')).toThrow(
    expect.objectContaining({
      code: 'invalid-request',
      errors: [expect.objectContaining({ field: 'name' })],
    }),
  );
  expect(parseJson('{"name":"\\ud83d\\ude00"}', 'The body')).toEqual({ name: '😀' });
  expect(parseJson('{"name":"\\\\u0000"}', 'The body')).toEqual({ name: '\\u0000' });
});
