/** The type of a file of routes: a Fastify plugin whose schemas are zod's, given what the API is built from, but for the database: each request brings its tenant's. */

import type { ReadManifest } from '@rela/stages';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import type { ApiDependencies } from '../dependencies.js';
import type { JobWatchers } from '../events/watchers.js';

export interface RouteContext extends Omit<ApiDependencies, 'database'> {
  watchers: JobWatchers;
  readManifest: ReadManifest;
}
export type Routes = FastifyPluginAsyncZod<RouteContext>;
