/**
 * Prisma's schema engine as WebAssembly, to ask what a migrated database lacks of the Prisma schema. Loaded by hand,
 * since Node 20 imports no .wasm files.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from '@prisma/driver-adapter-utils';
import pg from 'pg';

/** As much of it as is used here: the types of Node 20 leave it out. */
declare const WebAssembly: {
  instantiate(bytes: Uint8Array, imports: object): Promise<{ instance: { exports: object } }>;
};

interface SchemaEngine {
  diff(request: object): Promise<{ exitCode: number; stdout: string | null }>;
}

/** Object id of PostgreSQL's one-byte type `"char"`, which the adapter refuses, and of `text`. */
const [CHAR, TEXT] = [18, 25];

class Pool extends pg.Pool {
  constructor(url: string) {
    super({ connectionString: url });
    const query = this.query.bind(this) as (...parameters: unknown[]) => Promise<pg.QueryResult>;
    this.query = async (...parameters: unknown[]) => {
      const result = await query(...parameters);
      for (const field of result.fields) if (field.dataTypeID === CHAR) field.dataTypeID = TEXT;
      return result;
    };
  }
}

/** PostgreSQL 18 lists NOT NULL constraints too, and the engine wants their kind as a character. */
class Adapter extends PrismaPg {
  override async connect() {
    const adapter = await super.connect();
    const queryRaw = adapter.queryRaw.bind(adapter);
    adapter.queryRaw = async (query) => {
      const result = await queryRaw(query);
      const columnTypes = result.columnTypes.map((type, index) =>
        result.columnNames[index] === 'constraint_type' ? ColumnTypeEnum.Character : type,
      );
      return { ...result, columnTypes };
    };
    return adapter;
  }
}

interface Bindings {
  __wbg_set_wasm(exports: object): void;
  SchemaEngine: { new: (options: object, log: () => void, adapter: object) => Promise<SchemaEngine> };
}

let loading: Promise<Bindings> | undefined;

/** Once a process: the bindings hold on to the memory of their first instance. */
async function load(): Promise<Bindings> {
  const entry = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm/schema_engine_bg');
  const bindings = (await import(entry)) as Bindings;
  const bytes = await readFile(entry.replace(/\.js$/, '.wasm'));
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': bindings });
  bindings.__wbg_set_wasm(instance.exports);
  (instance.exports as { __wbindgen_start(): void }).__wbindgen_start();
  return bindings;
}

/** The SQL that would turn the database at `url` into what `schema` says; empty where it is that already. */
export async function differenceToSchema(url: string, schema: string): Promise<string> {
  const pool = new Pool(url);
  try {
    const files = [{ path: 'schema.prisma', content: schema }];
    loading ??= load();
    const engine = await (await loading).SchemaEngine.new(
      { datamodels: [['schema.prisma', schema]] },
      () => undefined,
      bindMigrationAwareSqlAdapterFactory(new Adapter(pool)),
    );
    const { stdout } = await engine.diff({
      from: { tag: 'schemaDatasource', files, configDir: '/' },
      to: { tag: 'schemaDatamodel', files },
      script: true,
      exitCode: true,
      filters: { externalTables: [], externalEnums: [] },
    });
    return (stdout ?? '').replace(/^--.*$/gm, '').trim();
  } finally {
    await pool.end();
  }
}
