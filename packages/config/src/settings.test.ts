import { expect, it } from 'vitest';
import { ConfigError, loadConfig, requireDatabase } from './settings.js';

it('takes the database as queue where QUEUE_URL is absent', () => {
  const config = loadConfig({ DATABASE_URL: 'postgres://localhost/rela' });
  expect(config.queueUrl).toBe('postgres://localhost/rela');
});

it('names every variable that is wrong', () => {
  expect(() => loadConfig({ API_PORT: 'eighty', ENGINE: 'fast' })).toThrow(/API_PORT.*ENGINE/s);
});

it('says how to get a database where none is set', () => {
  expect(() => requireDatabase(loadConfig({}))).toThrow(ConfigError);
  expect(() => requireDatabase(loadConfig({}))).toThrow(/rela up/);
});
