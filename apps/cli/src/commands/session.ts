/** What every command starts from: the client of the service that is meant, and where to write. */
import { type Config, childEnvironment, loadConfig } from '@rela/config';
import { RelaClient } from '@rela/sdk';
import type { Command } from 'commander';
import { createOutput, type Output } from '../output/output.js';
import { readKey } from '../up/first-key.js';
import { findUrl } from '../up/up-file.js';

const DEFAULT_URL = 'http://127.0.0.1:8080';
/** A person waits: a service that is not there should be said soon. */
const ATTEMPTS = 2;

export interface GlobalOptions {
  json?: true;
  url?: string;
  home?: string;
}

export interface Session {
  client: RelaClient;
  output: Output;
}

/** The settings, with --home in the place of RELA_HOME. @throws ConfigError */
export function configOf({ home }: GlobalOptions): Config {
  return loadConfig(childEnvironment(home === undefined ? {} : { RELA_HOME: home }));
}

/** The folder of `rela up`: --home, else RELA_HOME. @throws ConfigError */
export const homeOf = (options: GlobalOptions): string => configOf(options).home;

/** The service: --url, else the one that runs on the home, else the default address. Its key: RELA_API_KEY, else the one of the home. */
export async function openSession(command: Command): Promise<Session> {
  const options = command.optsWithGlobals<GlobalOptions>();
  const config = configOf(options);
  const running = options.url === undefined ? await findUrl(config.home) : null;
  const baseUrl = options.url ?? running ?? DEFAULT_URL;
  // The key of a home is for the service on it: another one is not told it.
  const apiKey = config.apiKey ?? (running === null ? null : await readKey(config.home));
  return {
    client: new RelaClient({ baseUrl, attempts: ATTEMPTS, ...(apiKey === null ? {} : { apiKey }) }),
    output: createOutput(options.json === true),
  };
}
