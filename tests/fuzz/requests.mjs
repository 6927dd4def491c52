// Requests to every route of the OpenAPI document: as it wants them, nearly so, and not at all.
import { createGeneratorSync } from 'json-schema-faker';
import { createHostile } from './hostile.mjs';

const JSON_TYPE = 'application/json';
/** Of what the schemas allow: what is too long is one of the hostile values. */
const SMALL = { alwaysFakeOptionals: false, maxItems: 4, maxLength: 60 };
const METHODS = ['get', 'post', 'put', 'patch', 'delete', 'head', 'options'];

/** @returns {{ method: string, path: string, operation: object }[]} of the document, each with its parameters and body */
export function routesOf(document) {
  return Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations)
      .filter(([method]) => METHODS.includes(method))
      .map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
}

/**
 * @param document of /openapi.json
 * @param known ids and names that exist, so that requests get further than their first look-up
 * @returns a function that draws one request: { method, path, headers, body, route }
 */
export function createRequests(document, known, random) {
  const routes = routesOf(document);
  const hostile = createHostile(random.fork('hostile'));
  const generator = createGeneratorSync({ ...SMALL, seed: random.int(2 ** 31 - 1) });
  const pick = (list) => list[random.int(list.length)];
  const chance = (share) => random.next() < share;

  const generated = (schema) => generator.generate({ ...schema, components: document.components });

  /** References are text in the schema: most of the time one that leads somewhere. */
  function withKnown(value) {
    if (value === null || typeof value !== 'object') return value;
    for (const [key, inner] of Object.entries(value)) {
      if (
        ['dataset', 'prior', 'continueFrom', 'run', 'job'].includes(key) &&
        typeof inner === 'string' &&
        chance(0.8)
      )
        value[key] = pick(known);
      // A wide network is made for nothing but its weight.
      else if (key === 'backbone' && chance(0.9)) value[key] = { name: 'resnet18-narrow' };
      else withKnown(inner);
    }
    return value;
  }

  function bodyOf({ requestBody }) {
    if (!requestBody) return chance(0.05) ? { type: JSON_TYPE, body: '{}' } : { type: null, body: null };
    const [type, { schema }] = pick(Object.entries(requestBody.content));
    if (chance(0.1)) return { type, body: hostile.text() };
    if (type !== JSON_TYPE) return { type, body: linesOf(type) };
    const document = withKnown(generated(schema));
    return { type, body: JSON.stringify(chance(0.6) ? hostile.spoilt(document) : document) };
  }

  /** Of bodies that are no JSON document: lines of jobs, or bytes. */
  function linesOf(type) {
    if (!type.includes('ndjson')) return JSON.stringify(hostile.wrong()) ?? '';
    const job = () => withKnown(generated({ $ref: '#/components/schemas/JobCreate' }));
    const count = 1 + random.int(20);
    return Array.from({ length: count }, () =>
      JSON.stringify(chance(0.5) ? hostile.spoilt(job()) : job()),
    ).join('\n');
  }

  const text = (value) => (typeof value === 'object' ? JSON.stringify(value) : String(value));
  const encoded = (word) => {
    // A lone surrogate has no encoding.
    const safe = word.toWellFormed();
    return chance(0.05) ? safe.replace(/[^\x21-\x7e]|[?#]/g, '') : encodeURIComponent(safe);
  };

  return function draw() {
    const { method, path, operation } = pick(routes);
    const parameters = operation.parameters ?? [];
    const of = (place) => parameters.filter((parameter) => parameter.in === place);
    const filled = path.replace(/\{(\w+)\}/g, () => encoded(chance(0.6) ? pick(known) : hostile.word()));
    const query = of('query')
      .filter(() => chance(0.4))
      .map(
        ({ name, schema }) => `${name}=${encoded(chance(0.5) ? text(generated(schema)) : hostile.word())}`,
      );
    if (chance(0.05)) query.push(`${encoded(hostile.word()).slice(0, 200)}=1`);
    const headers = {};
    for (const { name, schema } of of('header'))
      if (chance(0.3)) headers[name] = chance(0.5) ? text(generated(schema)) : hostile.word();
    // Few keys, so that they meet.
    if (chance(0.2)) headers['idempotency-key'] = `key-${random.int(20)}`;
    if (chance(0.1))
      headers.accept = pick([JSON_TYPE, '*/*', 'text/html', 'text/event-stream', hostile.word()]);
    const { type, body } = bodyOf(operation);
    if (type !== null)
      headers['content-type'] = chance(0.95) ? type : pick(['text/plain', 'x', `${JSON_TYPE}; charset=x`]);
    for (const [name, value] of Object.entries(headers))
      headers[name] = text(value)
        .replace(/[^\x20-\x7e]/g, '')
        .slice(0, 4_000);
    const route = `${chance(0.03) ? pick(METHODS).toUpperCase() : method} ${path}`;
    return {
      route,
      method: route.split(' ', 1)[0],
      path: (query.length > 0 ? `${filled}?${query.join('&')}` : filled).slice(0, 60_000),
      ...{ headers, body },
    };
  };
}
