/** Webhooks of users, and the log of what was sent to them. The state of a delivery: state/delivery-state.ts. */
import { randomBytes } from 'node:crypto';
import {
  MOST_WEBHOOKS,
  type NewWebhook,
  newId,
  type Page,
  ProblemError,
  SECRET_OVERLAP_HOURS,
  type Webhook,
  type WebhookCreate,
  type WebhookDelivery,
  type WebhookDeliveryDetails,
  type WebhookDeliveryStatus,
  type WebhookSecret,
  type WebhookUpdate,
} from '@rela/contracts';
import type { Connection, Transaction } from '../connection.js';
import type { Prisma, Webhook as WebhookRow } from '../generated/client.js';
import { insertPing, reopenDelivery } from '../state/delivery-state.js';
import { fromJson, toJson } from './json.js';
import { type PageRequest, pageArguments, pageOf } from './paging.js';

const SECRET_BYTES = 32;
const SHOWN_ATTEMPTS = 20;
const HOUR_MS = 3600_000;

const WITH_ATTEMPTS = {
  omit: { body: true },
  include: { attempts: { orderBy: { number: 'desc' }, take: SHOWN_ATTEMPTS } },
} satisfies Prisma.WebhookDeliveryDefaultArgs;
type DeliveryRow = Prisma.WebhookDeliveryGetPayload<typeof WITH_ATTEMPTS>;

const newSecret = () => `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`;

function toWebhook(row: WebhookRow): Webhook {
  const { id, url, enabled, disabledReason, description, createdAt } = row;
  return {
    ...{ id, url, events: fromJson(row.events), labels: fromJson(row.labels) },
    ...{ enabled, disabledReason, description, createdAt: createdAt.toISOString() },
  };
}

function toDelivery(row: DeliveryRow): WebhookDelivery {
  const { id, jobId, availableAt, createdAt, endedAt, attempts } = row;
  const status = row.status as WebhookDeliveryStatus;
  return {
    ...{ id, jobId, status, type: row.type as WebhookDelivery['type'] },
    nextAttemptAt: status === 'pending' ? availableAt.toISOString() : null,
    attempts: attempts.map(({ deliveryId: _deliveryId, at, ...attempt }) => ({
      ...attempt,
      at: at.toISOString(),
    })),
    createdAt: createdAt.toISOString(),
    endedAt: endedAt?.toISOString() ?? null,
  };
}

/** @param tenant whose webhooks they are; null: those of all */
export function createWebhooks({ prisma, transaction }: Connection, tenant: string | null) {
  const mine = tenant === null ? {} : { tenantId: tenant };

  async function existing(id: string, within: Transaction = prisma): Promise<WebhookRow> {
    const row = await within.webhook.findFirst({ where: { id, ...mine } });
    if (row) return row;
    throw new ProblemError('not-found', `There is no webhook "${id}". GET /v1/webhooks lists them.`);
  }

  async function enabled(id: string, tx: Transaction): Promise<Webhook> {
    const webhook = toWebhook(await existing(id, tx));
    if (webhook.enabled) return webhook;
    throw new ProblemError('conflict', `Webhook "${id}" is off; switch it on first: { "enabled": true }.`);
  }

  async function delivery(
    id: string,
    deliveryId: string,
    tx: Transaction = prisma,
  ): Promise<WebhookDelivery> {
    await existing(id, tx);
    const row = await tx.webhookDelivery.findFirst({
      where: { id: deliveryId, webhookId: id },
      ...WITH_ATTEMPTS,
    });
    if (row) return toDelivery(row);
    throw new ProblemError(
      'not-found',
      `Webhook "${id}" has no delivery "${deliveryId}". GET /v1/webhooks/${id}/deliveries lists them.`,
    );
  }

  return {
    /** @throws ProblemError `conflict` where there are as many as there may be */
    async create({ events, labels, ...input }: WebhookCreate, tx: Transaction = prisma): Promise<NewWebhook> {
      if ((await tx.webhook.count({ where: mine })) >= MOST_WEBHOOKS)
        throw new ProblemError(
          'conflict',
          `There are ${MOST_WEBHOOKS} webhooks, and no more may be. Remove those that nobody listens at.`,
        );
      const secret = newSecret();
      const row = await tx.webhook.create({
        data: { ...input, ...mine, id: newId('wh'), secret, events, labels: toJson(labels) },
      });
      return { ...toWebhook(row), secret };
    },

    /** @throws ProblemError `not-found` */
    get: async (id: string): Promise<Webhook> => toWebhook(await existing(id)),

    async list(page: PageRequest): Promise<Page<Webhook>> {
      const { where, ...rest } = pageArguments('wh', page);
      const rows = await prisma.webhook.findMany({ ...rest, where: { ...where, ...mine } });
      return pageOf(rows, page.limit, toWebhook);
    },

    /** @throws ProblemError `not-found` */
    async update(id: string, { labels, ...change }: WebhookUpdate): Promise<Webhook> {
      await existing(id);
      const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
      const data: Prisma.WebhookUpdateInput = {
        ...given,
        ...(labels === undefined ? {} : { labels: toJson(labels) }),
        ...(change.enabled === undefined ? {} : { disabledReason: null }),
      };
      return toWebhook(await prisma.webhook.update({ where: { id }, data }));
    },

    /** With the log of what was sent to it. What is being sent arrives, or not. @throws ProblemError `not-found` */
    async remove(id: string): Promise<void> {
      await existing(id);
      await prisma.webhook.deleteMany({ where: { id } });
    },

    /** A new secret; the one before signs beside it for a while. @throws ProblemError `not-found` */
    async renewSecret(id: string, tx: Transaction = prisma): Promise<WebhookSecret> {
      const { secret: previousSecret } = await existing(id, tx);
      const previousUntil = new Date(Date.now() + SECRET_OVERLAP_HOURS * HOUR_MS);
      const secret = newSecret();
      await tx.webhook.update({ where: { id }, data: { secret, previousSecret, previousUntil } });
      return { secret, previousUntil: previousUntil.toISOString() };
    },

    /** @throws ProblemError `not-found` · `conflict` where it is off */
    ping: async (id: string, tx?: Transaction): Promise<WebhookDelivery> => {
      const work = async (within: Transaction) =>
        delivery(id, await insertPing(within, await enabled(id, within)), within);
      return tx ? work(tx) : transaction(work);
    },

    /** Newest first. @throws ProblemError `not-found` */
    async deliveries(
      id: string,
      { status, ...page }: PageRequest & { status?: WebhookDeliveryStatus | undefined },
    ): Promise<Page<WebhookDelivery>> {
      await existing(id);
      const { where, ...rest } = pageArguments('msg', page);
      const rows = await prisma.webhookDelivery.findMany({
        ...rest,
        ...WITH_ATTEMPTS,
        where: { ...where, webhookId: id, ...(status === undefined ? {} : { status }) },
      });
      return pageOf(rows, page.limit, toDelivery);
    },

    /** @throws ProblemError `not-found` */
    async delivery(id: string, deliveryId: string): Promise<WebhookDeliveryDetails> {
      const found = await delivery(id, deliveryId);
      const { body } = await prisma.webhookDelivery.findUniqueOrThrow({ where: { id: deliveryId } });
      return { ...found, body };
    },

    /** Sends it again under the same id, however it ended. @throws ProblemError `not-found` · `conflict` where the webhook is off */
    redeliver: async (id: string, deliveryId: string, tx?: Transaction): Promise<WebhookDelivery> => {
      const work = async (within: Transaction) => {
        await delivery(id, deliveryId, within);
        await enabled(id, within);
        await reopenDelivery(within, deliveryId);
        return delivery(id, deliveryId, within);
      };
      return tx ? work(tx) : transaction(work);
    },
  };
}
