export * from './limited/answering.js';
export * from './limited/limited-process.js';
export * from './scratch.js';
export * from './until-stopped.js';
