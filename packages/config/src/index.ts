export * from './child-environment.js';
export * from './settings.js';
