export * from './scratch.js';
export * from './until-stopped.js';
