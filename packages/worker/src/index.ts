export * from './attempt.js';
export * from './outcome.js';
export * from './progress.js';
export * from './until-there.js';
export * from './worker.js';
