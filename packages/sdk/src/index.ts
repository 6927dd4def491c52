/** The public face of the client: the client itself, its errors, and the types of what goes in and out. */
export { type ClientOptions, RelaClient } from './client.js';
export type { Download } from './download.js';
export { RelaApiError, RelaConnectionError } from './errors.js';
export type { FollowOptions, JobProgress, JobUpdate } from './follow.js';
export type { PageOptions } from './pages.js';
export type { ArtifactsApi, UploadOptions, UploadSource } from './resources/artifacts.js';
export type { DatasetInput, DatasetsApi, WaitOptions } from './resources/datasets.js';
export type { HealthApi, Readiness } from './resources/health.js';
export type { JobInput, JobListOptions, JobsApi } from './resources/jobs.js';
export type { KeysApi } from './resources/keys.js';
export type { ModelsApi } from './resources/models.js';
export type { PriorInput, PriorsApi } from './resources/priors.js';
export type { RunsApi } from './resources/runs.js';
export type {
  FiringListOptions,
  ScheduleChanges,
  ScheduleInput,
  ScheduleListOptions,
  SchedulesApi,
} from './resources/schedules.js';
export type { TargetsApi, TargetsListOptions } from './resources/targets.js';
export type { DeliveryListOptions, WebhookChange, WebhookInput, WebhooksApi } from './resources/webhooks.js';
export type { RequestOptions } from './transport.js';
