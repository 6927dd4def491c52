/** The routes by path, so that a wrong method can be told from a wrong path. */
import type { FastifyInstance } from 'fastify';

interface Entry {
  path: string;
  pattern: RegExp;
  methods: Set<string>;
}

function patternOf(path: string): RegExp {
  const parts = path
    .split('/')
    .map((part) => (part.startsWith(':') ? '[^/]+' : part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')));
  return new RegExp(`^${parts.join('/')}$`);
}

export class RouteTable {
  readonly #entries = new Map<string, Entry>();

  /** Notes every route that is added to `app` from now on. */
  constructor(app: FastifyInstance) {
    app.addHook('onRoute', ({ path, method, schema }) => {
      if ((schema as { hide?: boolean } | undefined)?.hide) return;
      const entry = this.#entries.get(path) ?? { path, pattern: patternOf(path), methods: new Set() };
      for (const name of [method].flat()) entry.methods.add(name);
      this.#entries.set(path, entry);
    });
  }

  methodsAt(path: string): string[] {
    return [...this.#entries.values()]
      .filter((entry) => entry.pattern.test(path))
      .flatMap((entry) => [...entry.methods]);
  }

  paths(): string[] {
    return [...this.#entries.keys()];
  }
}
