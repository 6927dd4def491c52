/** `rela webhooks`: addresses that are told of what happens to jobs, and what was sent to them. */
import { type Webhook, type WebhookDelivery, WebhookDeliveryStatus, WebhookEventType } from '@rela/contracts';
import { type Command, Option } from 'commander';
import { UsageError } from '../output/failure.js';
import { formatTime } from '../output/format.js';
import { type Column, formatProperties, formatTable } from '../output/table.js';
import { given, parseLabel } from './arguments.js';
import { addListOptions, type ListOptions, moreNote } from './lists.js';
import { openSession } from './session.js';

const COLUMNS: Column<Webhook>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'URL', value: ({ url }) => url },
  { title: 'ON', value: ({ enabled }) => (enabled ? 'yes' : 'no') },
  { title: 'EVENTS', value: ({ events }) => events.join(', ') },
  { title: 'LABELS', value: ({ labels }) => labelsOf(labels) },
  { title: 'CREATED', value: ({ createdAt }) => formatTime(createdAt) },
];

const DELIVERY_COLUMNS: Column<WebhookDelivery>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'TYPE', value: ({ type }) => type },
  { title: 'JOB', value: ({ jobId }) => jobId },
  { title: 'STATUS', value: ({ status }) => status },
  { title: 'TRIES', value: ({ attempts }) => attempts[0]?.number ?? 0, align: 'right' },
  { title: 'ANSWER', value: ({ attempts }) => attempts[0]?.status ?? null, align: 'right' },
  { title: 'MS', value: ({ attempts }) => attempts[0]?.milliseconds ?? null, align: 'right' },
  { title: 'NEXT TRY', value: ({ nextAttemptAt }) => nextAttemptAt && formatTime(nextAttemptAt) },
  { title: 'ERROR', value: ({ attempts }) => attempts[0]?.error ?? null },
];

const labelsOf = (labels: Record<string, string>) =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(', ');

function describe(webhook: Webhook, secret: string | null = null): string {
  return formatProperties({
    id: webhook.id,
    url: webhook.url,
    events: webhook.events.join(', '),
    labels: labelsOf(webhook.labels) || null,
    on: webhook.enabled ? 'yes' : `no${webhook.disabledReason ? `: ${webhook.disabledReason}` : ''}`,
    description: webhook.description || null,
    created: formatTime(webhook.createdAt),
    ...(secret === null ? {} : { secret: `${secret}  (not shown again)` }),
  });
}

interface Given {
  event?: WebhookEventType[];
  label?: Record<string, string>;
  description?: string;
}

interface Change extends Given {
  url?: string;
  on?: true;
  off?: true;
}

const propertiesOf = ({ event, label, description }: Given) =>
  given({ events: event, labels: label, description });

function addProperties(command: Command): Command {
  return command
    .addOption(
      new Option('--event <type...>', 'what it is told of; absent: the ends of jobs').choices(
        WebhookEventType.options,
      ),
    )
    .option('--label <key=value>', 'only of jobs with this label; may be given again', parseLabel)
    .option('--description <text>', 'for people');
}

export function addWebhooks(program: Command): void {
  const webhooks = program.command('webhooks').description('addresses that are told of what happens to jobs');
  addProperties(
    webhooks
      .command('add')
      .description('have an address told; shows the secret that signs, once')
      .argument('<url>', 'https or http'),
  ).action(async (url: string, options: Given, command: Command) => {
    const { client, output } = await openSession(command);
    const { secret, ...webhook } = await client.webhooks.create({ url, ...propertiesOf(options) });
    output.result({ ...webhook, secret }, () => describe(webhook, secret));
  });
  addListOptions(webhooks.command('list').description('webhooks, newest first')).action(
    async (options: ListOptions, command: Command) => {
      const { client, output } = await openSession(command);
      const page = await client.webhooks.list(options);
      output.result(page, () => formatTable(COLUMNS, page.items) + moreNote(page));
    },
  );
  webhooks
    .command('show')
    .description('one webhook')
    .argument('<webhook>', 'id')
    .action(async (id: string, _options: unknown, command: Command) => {
      const { client, output } = await openSession(command);
      const webhook = await client.webhooks.get(id);
      output.result(webhook, () => describe(webhook));
    });
  addProperties(
    webhooks
      .command('change')
      .description('change what is given, leave the rest')
      .argument('<webhook>', 'id'),
  )
    .option('--url <url>', 'another address')
    .option('--on', 'switch it on')
    .option('--off', 'switch it off: events are not kept for it')
    .action(async (id: string, { on, off, url, ...options }: Change, command: Command) => {
      if (on && off) throw new UsageError('Give --on or --off, not both.');
      const { client, output } = await openSession(command);
      const enabled = on || off ? on === true : undefined;
      const webhook = await client.webhooks.update(id, {
        ...given({ url, enabled }),
        ...propertiesOf(options),
      });
      output.result(webhook, () => describe(webhook));
    });
  webhooks
    .command('remove')
    .description('remove a webhook, with the log of what was sent to it')
    .argument('<webhook>', 'id')
    .action(async (id: string, _options: unknown, command: Command) => {
      const { client, output } = await openSession(command);
      await client.webhooks.remove(id);
      output.result({ id }, () => `${id} is removed.`);
    });
  webhooks
    .command('secret')
    .description('make a new secret; the one before signs beside it for a day')
    .argument('<webhook>', 'id')
    .action(async (id: string, _options: unknown, command: Command) => {
      const { client, output } = await openSession(command);
      const renewed = await client.webhooks.renewSecret(id);
      output.result(renewed, () =>
        formatProperties({
          secret: `${renewed.secret}  (not shown again)`,
          'old one until': formatTime(renewed.previousUntil),
        }),
      );
    });
  webhooks
    .command('ping')
    .description('send a test event')
    .argument('<webhook>', 'id')
    .action(async (id: string, _options: unknown, command: Command) => {
      const { client, output } = await openSession(command);
      const delivery = await client.webhooks.ping(id);
      output.result(
        delivery,
        () => `${delivery.id} is sent. See how it went: rela webhooks deliveries ${id}`,
      );
    });
  addListOptions(
    webhooks.command('deliveries').description('what was sent to a webhook and how it went, newest first'),
  )
    .argument('<webhook>', 'id')
    .addOption(new Option('--status <status>', 'only these').choices(WebhookDeliveryStatus.options))
    .action(
      async (id: string, options: ListOptions & { status?: WebhookDeliveryStatus }, command: Command) => {
        const { client, output } = await openSession(command);
        const page = await client.webhooks.deliveries(id, options);
        output.result(page, () => formatTable(DELIVERY_COLUMNS, page.items) + moreNote(page));
      },
    );
  webhooks
    .command('redeliver')
    .description('send it again, under the same id')
    .argument('<webhook>', 'id')
    .argument('<delivery>', 'id')
    .action(async (id: string, deliveryId: string, _options: unknown, command: Command) => {
      const { client, output } = await openSession(command);
      const delivery = await client.webhooks.redeliver(id, deliveryId);
      output.result(delivery, () => `${delivery.id} is sent again.`);
    });
}
