/** What other programs may use of the command line's: starting the whole service, and showing what a job does. */
export { followDataset } from './follow/follow-dataset.js';
export { type FollowJobOptions, followJob } from './follow/follow-job.js';
export { formatBytes, formatRate, formatSeconds } from './output/format.js';
export { type Column, formatTable } from './output/table.js';
export { PartFailedError } from './up/part.js';
export {
  PortTakenError,
  type Service,
  type ServiceProcess,
  type StartOptions,
  startAll,
} from './up/start-all.js';
export { AlreadyUpError, findUrl } from './up/up-file.js';
