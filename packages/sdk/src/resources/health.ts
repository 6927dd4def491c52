/** Health: is the process alive, and does everything that it needs answer? */
import { z } from 'zod';
import type { RequestOptions, Transport } from '../transport.js';

const Status = z.object({ status: z.literal('ok') });
export type Readiness = z.infer<typeof Status>;

export class HealthApi {
  constructor(private readonly transport: Transport) {}

  /** Resolves where the process answers. One try, no waiting. */
  live(options: RequestOptions = {}): Promise<Readiness> {
    return this.transport.json(Status, { ...options, path: 'healthz', retry: false });
  }

  /** @throws RelaApiError `unavailable` naming what does not answer. One try, no waiting. */
  ready(options: RequestOptions = {}): Promise<Readiness> {
    return this.transport.json(Status, { ...options, path: 'readyz', retry: false });
  }
}
