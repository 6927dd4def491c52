export * from './limited/answering.js';
export * from './limited/limited-process.js';
export * from './own-file.js';
export * from './scratch.js';
export * from './until-stopped.js';
