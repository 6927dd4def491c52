/**
 * `rela tenants`: for those who run the service. It works on the database itself, not by the API: whoever reaches that may do everything
 * anyway, and no key of a tenant has to be able to make another one.
 */
import { ProblemError, type Scope, type Tenant, TenantLimits } from '@rela/contracts';
import type { Database } from '@rela/database';
import type { Command } from 'commander';
import { UsageError } from '../output/failure.js';
import { formatTime } from '../output/format.js';
import { createOutput } from '../output/output.js';
import { type Column, formatTable } from '../output/table.js';
import { withDatabase } from '../up/with-database.js';
import { expiryIn, expiryOption, scopeOption, showSecret } from './keys.js';
import { configOf, type GlobalOptions } from './session.js';

const columns: Column<Tenant>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'NAME', value: ({ name }) => name },
  { title: 'LIMITS', value: ({ limits }) => JSON.stringify(limits) },
  { title: 'CREATED', value: ({ createdAt }) => formatTime(createdAt) },
];

async function onDatabase<T>(command: Command, work: (database: Database) => Promise<T>): Promise<T> {
  const { migrate, openDatabase } = await import('@rela/database');
  return withDatabase(configOf(command.optsWithGlobals<GlobalOptions>()), async (url) => {
    await migrate(url);
    const database = await openDatabase(url, { connections: 1 });
    return work(database).finally(database.close);
  });
}

async function existing({ tenants }: Database, reference: string): Promise<Tenant> {
  const tenant = await tenants.find(reference);
  if (tenant) return tenant;
  const known = (await tenants.list()).map(({ name }) => name).join(', ');
  throw new ProblemError('not-found', `There is no tenant "${reference}". Known: ${known}.`);
}

const outputOf = (command: Command) => createOutput(command.optsWithGlobals<GlobalOptions>().json === true);

/** `name=number`, one after the other; `name=` takes a limit away. */
function parseLimit(text: string, before: Record<string, number | null> = {}): Record<string, number | null> {
  const [, name, value] = /^([a-zA-Z]+)=(.*)$/.exec(text) ?? [];
  if (name === undefined || !(name in TenantLimits.shape))
    throw new UsageError(
      `A limit is given as name=number; its names: ${Object.keys(TenantLimits.shape).join(', ')}.`,
    );
  return { ...before, [name]: value === '' ? null : Number(value) };
}

function limitsFrom(tenant: Tenant, changes: Record<string, number | null>): TenantLimits {
  const merged = Object.entries({ ...tenant.limits, ...changes }).filter(([, value]) => value !== null);
  const parsed = TenantLimits.safeParse(Object.fromEntries(merged));
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw new UsageError(`The limits are not valid. ${faults.join('. ')}.`);
}

export function addTenants(program: Command): void {
  const tenants = program
    .command('tenants')
    .description('for those who run the service: tenants, by the database itself');
  tenants
    .command('create')
    .description('make a tenant, and its first admin key')
    .argument('<name>', 'of the tenant')
    .action(async (name: string, _options: unknown, command: Command) => {
      const { tenant, key } = await onDatabase(command, async (database) => {
        const made = await database.tenants.create(name);
        const first = { name: 'first', scope: 'admin' } as const;
        return { tenant: made, key: await database.of(made.id).apiKeys.create(first) };
      });
      outputOf(command).result(
        { tenant, key },
        () => `Tenant ${tenant.name} (${tenant.id})\n\n${showSecret(key)}`,
      );
    });
  tenants
    .command('list')
    .description('list tenants by name')
    .action(async (_options: unknown, command: Command) => {
      const items = await onDatabase(command, ({ tenants: all }) => all.list());
      outputOf(command).result({ items }, () => formatTable(columns, items));
    });
  tenants
    .command('limit')
    .description('change the limits of a tenant; without --limit they are shown')
    .argument('<tenant>', 'id or name')
    .option('--limit <name=number>', 'again for more; name= takes one away', parseLimit)
    .action(
      async (reference: string, options: { limit?: Record<string, number | null> }, command: Command) => {
        const tenant = await onDatabase(command, async (database) => {
          const found = await existing(database, reference);
          if (!options.limit) return found;
          return database.tenants.limit(found.id, limitsFrom(found, options.limit));
        });
        outputOf(command).result(tenant, () => formatTable(columns, [tenant]));
      },
    );
  tenants
    .command('key')
    .description('make a key of a tenant, such as for one that has lost its own')
    .argument('<tenant>', 'id or name')
    .argument('<name>', 'what the key is for')
    .addOption(scopeOption())
    .addOption(expiryOption())
    .action(
      async (
        reference: string,
        name: string,
        { scope, expiresIn }: { scope: Scope; expiresIn?: number },
        command: Command,
      ) => {
        const key = await onDatabase(command, async (database) => {
          const { id } = await existing(database, reference);
          return database.of(id).apiKeys.create({ name, scope, ...expiryIn(expiresIn) });
        });
        outputOf(command).result(key, () => showSecret(key));
      },
    );
}
