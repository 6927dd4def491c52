import { expect, it } from 'vitest';
import { ConfigError, loadConfig, requireDatabase } from './settings.js';

it('takes the database as queue where QUEUE_URL is absent', () => {
  const config = loadConfig({ DATABASE_URL: 'postgres://localhost/rela' });
  expect(config.queueUrl).toBe('postgres://localhost/rela');
});

it('takes a queue on several hosts, and says how an address of one begins', () => {
  const QUEUE_URL = 'rediss+sentinel://rela:secret@a:26379,b:26379/main/0';
  expect(loadConfig({ QUEUE_URL }).queueUrl).toBe(QUEUE_URL);
  expect(() => loadConfig({ QUEUE_URL: 'amqp://localhost' })).toThrow(/QUEUE_URL.*redis:\/\//);
});

it('names every variable that is wrong', () => {
  expect(() => loadConfig({ API_PORT: 'eighty', ENGINE: 'fast' })).toThrow(/API_PORT.*ENGINE/s);
});

it('says how to get a database where none is set', () => {
  expect(() => requireDatabase(loadConfig({}))).toThrow(ConfigError);
  expect(() => requireDatabase(loadConfig({}))).toThrow(/rela up/);
});

it('reads data sets from the server of the store where no other is named', () => {
  const STORAGE_URL = 's3://artifacts?endpoint=http://127.0.0.1:9000&region=eu-central-1';
  expect(loadConfig({ STORAGE_URL }).s3).toEqual({
    endpoint: 'http://127.0.0.1:9000',
    region: 'eu-central-1',
  });
  expect(loadConfig({ STORAGE_URL, S3_ENDPOINT: 'https://data.example' }).s3).toEqual({
    endpoint: 'https://data.example',
    region: null,
  });
  expect(loadConfig({}).s3).toEqual({ endpoint: null, region: null });
});

it('keeps manifests from private networks unless it is told otherwise', () => {
  expect(loadConfig({}).privateAddresses).toBe(false);
  expect(loadConfig({ PRIVATE_ADDRESSES: 'true' }).privateAddresses).toBe(true);
  expect(() => loadConfig({ PRIVATE_ADDRESSES: 'maybe' })).toThrow(/PRIVATE_ADDRESSES/);
});
