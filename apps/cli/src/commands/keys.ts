/** `rela keys`: API keys of one's own tenant. */
import { type ApiKey, type NewApiKey, Scope } from '@rela/contracts';
import { type Command, Option } from 'commander';
import { formatTime } from '../output/format.js';
import { type Column, formatProperties, formatTable } from '../output/table.js';
import { given, parseNumber } from './arguments.js';
import { addListOptions, type ListOptions, moreNote } from './lists.js';
import { openSession } from './session.js';

const DAY_MS = 24 * 3600 * 1000;

function stateOf({ revokedAt, expiresAt }: ApiKey): string {
  if (revokedAt !== null) return 'revoked';
  if (expiresAt === null) return 'valid';
  return Date.parse(expiresAt) <= Date.now() ? 'expired' : `until ${formatTime(expiresAt)}`;
}

const columns: Column<ApiKey>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'NAME', value: ({ name }) => name },
  { title: 'SCOPE', value: ({ scope }) => scope },
  { title: 'SECRET', value: ({ hint }) => `${hint}…` },
  { title: 'STATE', value: stateOf },
  { title: 'LAST USED', value: ({ lastUsedAt }) => (lastUsedAt === null ? '' : formatTime(lastUsedAt)) },
];

/** A key with its secret, which is shown this once. */
export const showSecret = ({ secret, ...key }: NewApiKey): string =>
  `${formatProperties({
    ...{ id: key.id, name: key.name, scope: key.scope },
    ...{ state: stateOf(key), secret },
  })}\n\nThe secret is shown this once. Use it by: export RELA_API_KEY=${secret}`;

export const scopeOption = () =>
  new Option('--scope <scope>', 'what it allows').choices(Scope.options).default('submit');

export const expiryOption = () =>
  new Option('--expires-in <days>', 'days after which it is refused; default: never').argParser(parseNumber);

/** @param days from now */
export const expiryIn = (days: number | undefined): { expiresAt?: string } =>
  given({ expiresAt: days === undefined ? undefined : new Date(Date.now() + days * DAY_MS).toISOString() });

export function addKeys(program: Command): void {
  const keys = program.command('keys').description('API keys of your tenant');
  keys
    .command('create')
    .description('make a key; its secret is shown this once')
    .argument('<name>', 'what it is for')
    .addOption(scopeOption())
    .addOption(expiryOption())
    .action(async (name: string, options: { scope: Scope; expiresIn?: number }, command: Command) => {
      const { client, output } = await openSession(command);
      const key = await client.keys.create({ name, scope: options.scope, ...expiryIn(options.expiresIn) });
      output.result(key, () => showSecret(key));
    });
  addListOptions(keys.command('list').description('list keys, newest first')).action(
    async (options: ListOptions, command: Command) => {
      const { client, output } = await openSession(command);
      const page = await client.keys.list(given(options));
      output.result(page, () => `${formatTable(columns, page.items)}${moreNote(page)}`);
    },
  );
  keys
    .command('rotate')
    .description('give a key a new secret; the old one is accepted for a while')
    .argument('<id>', 'of the key')
    .option('--grace <seconds>', 'for how long; 0 where it was stolen', parseNumber, 24 * 3600)
    .action(async (id: string, { grace }: { grace: number }, command: Command) => {
      const { client, output } = await openSession(command);
      const key = await client.keys.rotate(id, { graceSeconds: grace });
      output.result(key, () => showSecret(key));
    });
  keys
    .command('revoke')
    .description('refuse a key from now on')
    .argument('<id>', 'of the key')
    .action(async (id: string, _options: unknown, command: Command) => {
      const { client, output } = await openSession(command);
      const key = await client.keys.revoke(id);
      output.result(key, () => `${key.name} (${key.id}) is refused from now on.`);
    });
  keys
    .command('self')
    .description('your tenant, its limits, and what your key allows')
    .action(async (_options: unknown, command: Command) => {
      const { client, output } = await openSession(command);
      const self = await client.keys.self();
      output.result(self, () =>
        formatProperties({
          tenant: `${self.name} (${self.id})`,
          scope: self.scope,
          limits: JSON.stringify(self.limits),
        }),
      );
    });
}
