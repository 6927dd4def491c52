/** BullMQ on PostgreSQL or Redis, chosen by URL: the transport between the orchestrator and the workers. */
export { checkQueue } from './check.js';
export {
  type ConsumeOptions,
  type Consumer,
  consume,
  consumeDue,
} from './consume.js';
export { QUEUES } from './names.js';
export { openSchedulers, type Scheduler, type Schedulers } from './schedules.js';
export {
  type OpenQueueOptions,
  openQueue,
  type QueuedStage,
  type StageQueue,
} from './send.js';
export { QueueUrlError } from './url.js';
