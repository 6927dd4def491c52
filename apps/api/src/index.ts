/** The public face of the API process: the app for tests, and its start for `rela up` and for main.ts. */
export { buildApp } from './app.js';
export type { ApiDependencies } from './dependencies.js';
export { type RunningApi, startApi } from './server.js';
