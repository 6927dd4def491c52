/** Webhooks: addresses that are told of what happens to jobs, and the log of what was sent to them. */
import {
  NewWebhook,
  type Page,
  pageOf,
  Webhook,
  type WebhookCreate,
  WebhookDelivery,
  WebhookDeliveryDetails,
  type WebhookDeliveryStatus,
  WebhookSecret,
  type WebhookUpdate,
} from '@rela/contracts';
import type { z } from 'zod';
import { allItems, type PageOptions } from '../pages.js';
import type { RequestOptions, Transport } from '../transport.js';

export type WebhookInput = z.input<typeof WebhookCreate>;
export type WebhookChange = z.input<typeof WebhookUpdate>;

export interface DeliveryListOptions extends PageOptions {
  /** Only those in this state. */
  status?: WebhookDeliveryStatus;
}

const WebhookPage = pageOf(Webhook);
const DeliveryPage = pageOf(WebhookDelivery);

const pathOf = (...parts: string[]) => ['v1/webhooks', ...parts.map(encodeURIComponent)].join('/');

export class WebhooksApi {
  constructor(private readonly transport: Transport) {}

  /** The answer has the secret that signs; it is not shown again. */
  create(input: WebhookInput, options: RequestOptions = {}): Promise<NewWebhook> {
    return this.transport.json(NewWebhook, { ...options, method: 'POST', path: pathOf(), json: input });
  }

  get(id: string, options: RequestOptions = {}): Promise<Webhook> {
    return this.transport.json(Webhook, { ...options, path: pathOf(id) });
  }

  list({ signal, ...query }: PageOptions = {}): Promise<Page<Webhook>> {
    return this.transport.json(WebhookPage, { path: pathOf(), query, ...(signal ? { signal } : {}) });
  }

  all(options: PageOptions = {}): AsyncGenerator<Webhook, void, undefined> {
    return allItems((cursor) => this.list({ ...options, ...(cursor ? { cursor } : {}) }), options.cursor);
  }

  /** What is absent stays as it is. */
  update(id: string, change: WebhookChange, options: RequestOptions = {}): Promise<Webhook> {
    return this.transport.json(Webhook, { ...options, method: 'PATCH', path: pathOf(id), json: change });
  }

  /** With the log of what was sent to it. */
  async remove(id: string, options: RequestOptions = {}): Promise<void> {
    await this.transport.open({ ...options, method: 'DELETE', path: pathOf(id) });
  }

  /** A new secret; the one before signs beside it for a day. */
  renewSecret(id: string, options: RequestOptions = {}): Promise<WebhookSecret> {
    return this.transport.json(WebhookSecret, { ...options, method: 'POST', path: pathOf(id, 'secret') });
  }

  /** Sends a `webhook.ping`, once. */
  ping(id: string, options: RequestOptions = {}): Promise<WebhookDelivery> {
    return this.transport.json(WebhookDelivery, { ...options, method: 'POST', path: pathOf(id, 'ping') });
  }

  deliveries(id: string, { signal, ...query }: DeliveryListOptions = {}): Promise<Page<WebhookDelivery>> {
    return this.transport.json(DeliveryPage, {
      path: pathOf(id, 'deliveries'),
      query: { ...query },
      ...(signal ? { signal } : {}),
    });
  }

  allDeliveries(
    id: string,
    options: DeliveryListOptions = {},
  ): AsyncGenerator<WebhookDelivery, void, undefined> {
    return allItems(
      (cursor) => this.deliveries(id, { ...options, ...(cursor ? { cursor } : {}) }),
      options.cursor,
    );
  }

  /** With the body that is sent. */
  delivery(id: string, deliveryId: string, options: RequestOptions = {}): Promise<WebhookDeliveryDetails> {
    return this.transport.json(WebhookDeliveryDetails, {
      ...options,
      path: pathOf(id, 'deliveries', deliveryId),
    });
  }

  /** Sends it again under the same id, however it ended. */
  redeliver(id: string, deliveryId: string, options: RequestOptions = {}): Promise<WebhookDelivery> {
    return this.transport.json(WebhookDelivery, {
      ...options,
      method: 'POST',
      path: pathOf(id, 'deliveries', deliveryId, 'redeliver'),
    });
  }
}
