/**
 * Every change of a status that there is. The pages beside this one make them; the database refuses all others, whoever asks (triggers of
 * migrations 0005, 0040 and 0050). The first state is that of a new row.
 */
import type { DatasetStatus, JobStatus, StageStatus, WebhookDeliveryStatus } from '@rela/contracts';

type Table<Status extends string> = { first: Status; to: Record<Status, readonly Status[]> };

const dataset: Table<DatasetStatus> = {
  first: 'queued',
  to: {
    queued: ['running', 'ready', 'failed'],
    running: ['queued', 'ready', 'failed'],
    ready: [],
    failed: ['queued'],
  },
};

const job: Table<JobStatus> = {
  first: 'queued',
  to: {
    queued: ['waiting', 'running', 'paused', 'cancelled'],
    waiting: ['queued', 'paused', 'failed', 'cancelled'],
    running: ['paused', 'succeeded', 'failed', 'cancelled'],
    paused: ['queued', 'waiting', 'running', 'succeeded', 'failed', 'cancelled'],
    succeeded: ['queued'],
    failed: ['queued'],
    cancelled: ['queued'],
  },
};

const run: Table<Exclude<JobStatus, 'paused' | 'waiting'>> = {
  first: 'queued',
  to: {
    queued: ['running', 'failed', 'cancelled'],
    running: ['succeeded', 'failed', 'cancelled'],
    succeeded: ['queued'],
    failed: ['queued'],
    cancelled: ['queued'],
  },
};

const stage: Table<StageStatus> = {
  first: 'waiting',
  to: {
    waiting: ['queued', 'cancelled'],
    queued: ['running', 'paused', 'cancelled'],
    running: ['succeeded', 'failed', 'cancelled', 'queued', 'paused'],
    paused: ['queued', 'cancelled'],
    succeeded: ['waiting'],
    failed: ['waiting'],
    cancelled: ['waiting'],
  },
};

const webhook_delivery: Table<WebhookDeliveryStatus> = {
  first: 'pending',
  to: {
    pending: ['delivered', 'failed'],
    delivered: ['pending'],
    failed: ['pending'],
  },
};

export const TRANSITIONS = { dataset, job, run, stage, webhook_delivery };
