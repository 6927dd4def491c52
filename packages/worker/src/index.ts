export * from './attempt.js';
export * from './outcome.js';
export * from './progress.js';
export * from './until-stopped.js';
export * from './worker.js';
