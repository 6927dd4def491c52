// Values that break careless code, and JSON documents in which some of the values are such ones.
import fc from 'fast-check';

const DEEP = 1_000;
const LONG = 100_000;

const deep = () => {
  let value = [];
  for (let level = 0; level < DEEP; level++) value = [value];
  return value;
};

const WRONG = [
  ...[null, true, [], {}, '', ' ', 0, -1, 0.5, -0, 1e308, -1e308, 2 ** 53, 2 ** 31, 1e-320],
  ...['NaN', 'Infinity', '__proto__', 'constructor', 'toString', 'null', 'undefined'],
  ...[
    "'; DROP TABLE job; --",
    '" OR ""="',
    "x' AND pg_sleep(10)--",
    '%',
    '_%',
    '\\',
    '$1',
    '{{7*7}}',
    '#{7*7}',
  ],
  ...['../../../../etc/passwd', '/etc/passwd', '/dev/zero', '/proc/self/mem', '/', '..', '.', 'C:\\boot.ini'],
  ...['file:///etc/passwd', 'http://127.0.0.1:1/', 'http://169.254.169.254/latest/meta-data/', 's3://b/../k'],
  ...[
    '\u0000',
    'a\u0000b',
    '\ud800',
    '\u202e',
    'é'.repeat(300),
    '\r\nSet-Cookie: a=b',
    '\n{"level":60}',
    '<script>',
  ],
  ...[
    `sha256:${'0'.repeat(64)}`,
    `sha256:${'g'.repeat(64)}`,
    `job_${'0'.repeat(32)}`,
    '(a+)+$',
    'a'.repeat(LONG),
  ],
  { ['__proto__']: { admin: true } },
  { constructor: { prototype: { admin: true } } },
  Array.from({ length: 2_000 }, () => 0),
  Object.fromEntries(Array.from({ length: 2_000 }, (_, key) => [`k${key}`, key])),
];

/** Bodies that are no JSON, or none that anybody means. */
const TEXTS = [
  ...[
    '',
    '{',
    '[1,',
    '{"a":1,"a":2}',
    'null',
    '"',
    'true',
    '﻿{}',
    '{"a":NaN}',
    '\u0000',
    '{"__proto__":{"a":1}}',
  ],
  ...['['.repeat(LONG), '{"a":'.repeat(LONG), `"${'a'.repeat(2 * 1024 ** 2)}"`, `{"a":${'9'.repeat(LONG)}}`],
  Buffer.from([0xff, 0xfe, 0x00, 0x80]),
  Buffer.from('{"name":"\xff"}', 'latin1'),
];

const anything = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.double(),
);

/**
 * @param {import('@rela/random').Random} random
 * @returns one value a call, of those above or any other
 */
export function createHostile(random) {
  const drawn = fc.sample(anything, { seed: random.int(2 ** 31 - 1), numRuns: 500 });
  const pick = (list) => list[random.int(list.length)];
  const wrong = () => (random.next() < 0.02 ? deep() : pick(random.next() < 0.6 ? WRONG : drawn));

  /** Every place of a document: [owner, key]. */
  function placesIn(value, found = []) {
    if (value === null || typeof value !== 'object') return found;
    for (const key of Object.keys(value)) {
      found.push([value, key]);
      placesIn(value[key], found);
    }
    return found;
  }

  return {
    wrong,
    text: () => pick(TEXTS),
    word: () =>
      String(random.next() < 0.7 ? pick(WRONG.filter((one) => typeof one === 'string')) : pick(drawn)),
    /** The document with one to three of its values, names or parts made wrong. */
    spoilt(document) {
      const copy = { whole: structuredClone(document) };
      for (let times = 1 + random.int(3); times > 0; times--) {
        const [owner, key] = pick(placesIn(copy));
        const how = random.next();
        if (how < 0.7) owner[key] = wrong();
        else if (how < 0.85 && owner !== copy) delete owner[key];
        else if (!Array.isArray(owner))
          owner[pick(['x', key.toUpperCase(), `${key} `, '', 'constructor'])] = wrong();
      }
      return copy.whole;
    },
  };
}
