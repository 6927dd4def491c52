/** Webhooks: addresses of users that are told of what happens to their jobs, signed as Standard Webhooks says, and what became of each telling. */
import { z } from 'zod';
import { JobEvent } from './event.js';
import { Timestamp } from './identifiers.js';
import { Job, Labels } from './job.js';
import { PageQuery } from './page.js';
import { Run } from './run.js';

const JobEventType = z.enum(['job.running', 'job.paused', 'job.succeeded', 'job.failed', 'job.cancelled']);
const RunEventType = z.enum(['run.running', 'run.succeeded', 'run.failed', 'run.cancelled']);

/** A thing, and the state that it has come to. */
export const WebhookEventType = z
  .enum([...JobEventType.options, ...RunEventType.options])
  .meta({ id: 'WebhookEventType' });
export type WebhookEventType = z.infer<typeof WebhookEventType>;

/** The ends of jobs. */
export const DEFAULT_WEBHOOK_EVENTS: WebhookEventType[] = ['job.succeeded', 'job.failed', 'job.cancelled'];

const address = z
  .url({ protocol: /^https?$/, error: 'has to be an address such as https://example.com/hook' })
  .max(2000)
  .refine(
    (text) => {
      if (!URL.canParse(text)) return true;
      const { username, password } = new URL(text);
      return username === '' && password === '';
    },
    { error: 'has a user in it; the signature says who sends' },
  )
  .describe('where events are sent to by POST, https or http');

const events = z
  .array(WebhookEventType)
  .min(1)
  .max(WebhookEventType.options.length)
  .refine((types) => new Set(types).size === types.length, { error: 'names a type twice' });

const about = {
  url: address,
  events: events.describe('types that it is told of; absent: the ends of jobs'),
  labels: Labels.describe('only of jobs that have all of these; none: of every job'),
  enabled: z
    .boolean()
    .describe('one that is off is told of nothing; what still waits for it goes on waiting'),
  description: z.string().max(500),
};

export const WebhookCreate = z
  .strictObject({
    url: about.url,
    events: about.events.default(DEFAULT_WEBHOOK_EVENTS),
    labels: about.labels.default({}),
    enabled: about.enabled.default(true),
    description: about.description.default(''),
  })
  .meta({ id: 'WebhookCreate' });
export type WebhookCreate = z.infer<typeof WebhookCreate>;

/** What is absent stays as it is. */
export const WebhookUpdate = z.strictObject(about).partial().meta({ id: 'WebhookUpdate' });
export type WebhookUpdate = z.infer<typeof WebhookUpdate>;

export const Webhook = z
  .object({
    id: z.string(),
    url: z.string(),
    events: z.array(WebhookEventType),
    labels: Labels,
    enabled: z.boolean(),
    disabledReason: z
      .string()
      .nullable()
      .describe('why the service has switched it off; null where it has not'),
    description: z.string(),
    createdAt: Timestamp,
  })
  .meta({ id: 'Webhook' });
export type Webhook = z.infer<typeof Webhook>;

/** Standard Webhooks: 24 to 64 random bytes as base64. */
const Secret = z
  .string()
  .regex(/^whsec_[A-Za-z0-9+/]{32,}=*$/)
  .describe('key of the signatures. It is not shown again');

export const NewWebhook = Webhook.extend({ secret: Secret }).meta({ id: 'NewWebhook' });
export type NewWebhook = z.infer<typeof NewWebhook>;

/** Both secrets sign for so long after a new one was made. */
export const SECRET_OVERLAP_HOURS = 24;

export const WebhookSecret = z
  .object({
    secret: Secret,
    previousUntil: Timestamp.describe('until when the one before signs as well'),
  })
  .meta({ id: 'WebhookSecret' });
export type WebhookSecret = z.infer<typeof WebhookSecret>;

/** Most webhooks of a tenant. */
export const MOST_WEBHOOKS = 100;

/** The first bytes of an answer that are kept. */
export const KEPT_ANSWER_BYTES = 1024;

export const WebhookAttempt = z
  .object({
    number: z.int().positive(),
    at: Timestamp,
    status: z.int().nullable().describe('of the answer; null where none came, or it is still waited for'),
    error: z.string().nullable().describe('what was wrong; null where it was delivered, or is under way'),
    milliseconds: z.int().nullable().describe('null while it is under way, and where its end is not known'),
    answer: z.string().nullable().describe(`the first ${KEPT_ANSWER_BYTES} bytes of the body`),
  })
  .meta({ id: 'WebhookAttempt' });
export type WebhookAttempt = z.infer<typeof WebhookAttempt>;

export const WebhookDeliveryStatus = z.enum(['pending', 'delivered', 'failed']);
export type WebhookDeliveryStatus = z.infer<typeof WebhookDeliveryStatus>;

export const WebhookDelivery = z
  .object({
    id: z.string().describe('`webhook-id` of every attempt: a receiver that has it already may ignore it'),
    type: z.union([WebhookEventType, z.literal('webhook.ping')]),
    jobId: z.string().nullable().describe('null of a ping'),
    status: WebhookDeliveryStatus.describe('`failed`: given up'),
    nextAttemptAt: Timestamp.nullable().describe('not before; null where it has ended'),
    attempts: z.array(WebhookAttempt).describe('newest first; the last 20'),
    createdAt: Timestamp,
    endedAt: Timestamp.nullable(),
  })
  .meta({ id: 'WebhookDelivery' });
export type WebhookDelivery = z.infer<typeof WebhookDelivery>;

/** With what is sent. */
export const WebhookDeliveryDetails = WebhookDelivery.extend({
  body: z.string().describe('body of the request, as it is signed'),
}).meta({ id: 'WebhookDeliveryDetails' });
export type WebhookDeliveryDetails = z.infer<typeof WebhookDeliveryDetails>;

export const WebhookDeliveryQuery = PageQuery.extend({
  status: WebhookDeliveryStatus.optional().describe('only those in this state'),
});
export type WebhookDeliveryQuery = z.infer<typeof WebhookDeliveryQuery>;

const timestamp = Timestamp.describe('when it happened');
const job = Job.describe('as it was then');

/** The body of a request to a webhook. */
export const WebhookPayload = z
  .discriminatedUnion('type', [
    z.object({ type: JobEventType, timestamp, data: z.object({ event: JobEvent, job }) }),
    z.object({ type: RunEventType, timestamp, data: z.object({ event: JobEvent, job, run: Run }) }),
    z.object({ type: z.literal('webhook.ping'), timestamp, data: z.object({ webhook: Webhook }) }),
  ])
  .meta({ id: 'WebhookPayload' });
export type WebhookPayload = z.infer<typeof WebhookPayload>;
