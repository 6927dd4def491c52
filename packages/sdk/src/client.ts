/** The client: one object a service address, with one member a resource of the REST API. */
import { ArtifactsApi } from './resources/artifacts.js';
import { DatasetsApi } from './resources/datasets.js';
import { DeadLettersApi } from './resources/dead-letters.js';
import { HealthApi } from './resources/health.js';
import { JobsApi } from './resources/jobs.js';
import { KeysApi } from './resources/keys.js';
import { ModelsApi } from './resources/models.js';
import { PriorsApi } from './resources/priors.js';
import { RunsApi } from './resources/runs.js';
import { SchedulesApi } from './resources/schedules.js';
import { TargetsApi } from './resources/targets.js';
import { WebhooksApi } from './resources/webhooks.js';
import { Transport } from './transport.js';

export interface ClientOptions {
  /** Address of the API, such as `http://127.0.0.1:8080`. A path in it is kept as a prefix. */
  baseUrl: string;
  /** API key, or a token of the identity provider. A service on this machine may do without. */
  apiKey?: string;
  /** Stands in for the global `fetch`. */
  fetch?: typeof fetch;
  /** How often a request is sent in all when the network or the service fails for a while. Default 6. */
  attempts?: number;
}

/**
 * Typed client of the REST API. Every method rejects with `RelaApiError` where the service answers with a problem
 * and with `RelaConnectionError` where it does not answer at all.
 *
 * @example
 * const rela = new RelaClient({ baseUrl: 'http://127.0.0.1:8080' });
 * const { id } = await rela.datasets.create({ name: 'digits', source: { kind: 'recipe', recipe: 'mnist' } });
 * await rela.datasets.waitUntilReady(id);
 */
export class RelaClient {
  readonly artifacts: ArtifactsApi;
  readonly datasets: DatasetsApi;
  readonly priors: PriorsApi;
  readonly jobs: JobsApi;
  readonly schedules: SchedulesApi;
  readonly runs: RunsApi;
  readonly models: ModelsApi;
  readonly targets: TargetsApi;
  readonly webhooks: WebhooksApi;
  readonly deadLetters: DeadLettersApi;
  readonly keys: KeysApi;
  readonly health: HealthApi;

  constructor(options: ClientOptions) {
    const transport = new Transport(options);
    this.artifacts = new ArtifactsApi(transport);
    this.datasets = new DatasetsApi(transport);
    this.priors = new PriorsApi(transport);
    this.jobs = new JobsApi(transport);
    this.schedules = new SchedulesApi(transport);
    this.runs = new RunsApi(transport);
    this.models = new ModelsApi(transport);
    this.targets = new TargetsApi(transport);
    this.webhooks = new WebhooksApi(transport);
    this.deadLetters = new DeadLettersApi(transport);
    this.keys = new KeysApi(transport);
    this.health = new HealthApi(transport);
  }
}
