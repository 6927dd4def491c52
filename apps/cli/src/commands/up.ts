/** `rela up`: starts the whole service on this machine and stays until Ctrl-C. */
import { once } from 'node:events';
import type { Command } from 'commander';
import { createOutput } from '../output/output.js';
import { formatTable } from '../output/table.js';
import { keyFileOf } from '../up/first-key.js';
import type { Service } from '../up/start-all.js';
import { parseNumber } from './arguments.js';
import { type GlobalOptions, homeOf } from './session.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Calls `onFirst` at the first signal and `onMore` at every later one. */
function onSignals(onFirst: () => void, onMore: () => void): () => void {
  let count = 0;
  const listener = () => {
    count += 1;
    if (count === 1) onFirst();
    else onMore();
  };
  for (const signal of SIGNALS) process.on(signal, listener);
  return () => {
    for (const signal of SIGNALS) process.removeListener(signal, listener);
  };
}

async function partsOf(
  service: Service,
): Promise<{ name: string; pid: number | null; url: string | null }[]> {
  const database = await service.databasePid();
  return [
    ...(database === null ? [] : [{ name: 'postgres', pid: database, url: null }]),
    ...service.children.map(({ name, pid }) => ({ name, pid, url: name === 'api' ? service.url : null })),
  ];
}

/** Of a key that was made just now; it is shown this once. */
function howToUse({ firstKey, url }: Service, home: string): string {
  if (firstKey === null) return '';
  return `An API key was made, for everything that is not on this machine: ${firstKey}
It is in ${keyFileOf(home)}, where rela commands find it. Elsewhere: export RELA_API_KEY=…, or
  curl -H "Authorization: Bearer $RELA_API_KEY" ${url}/v1/tenant

`;
}

export function addUp(program: Command): void {
  program
    .command('up')
    .description('start the whole service on this machine, its database included')
    .option('--port <n>', 'port of the API; 0 takes a free one', parseNumber)
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { port?: number }>();
      const output = createOutput(options.json === true);
      const home = homeOf(options);
      const interrupt = new AbortController();
      let service: Service | null = null;
      const release = onSignals(
        () => interrupt.abort(),
        () => service?.kill(),
      );
      try {
        output.note(`Starting on ${home} …`);
        // The database's libraries are large, and no other command needs them.
        const { startAll } = await import('../up/start-all.js');
        service = await startAll({
          home,
          ...(options.port === undefined ? {} : { port: options.port }),
          onNotice: (text) => output.note(text),
          signal: interrupt.signal,
        });
        const parts = await partsOf(service);
        const text = formatTable(
          [
            { title: 'PART', value: ({ name }) => name },
            { title: 'PROCESS', value: ({ pid }) => pid, align: 'right' },
            { title: 'ADDRESS', value: ({ url }) => url ?? '' },
          ],
          parts,
        );
        output.result(
          { url: service.url, home, parts, apiKey: service.firstKey },
          () =>
            `${text}\n\n${howToUse(service!, home)}The REST API is described at ${service?.url}/docs. Ctrl-C stops everything.`,
        );
        if (!interrupt.signal.aborted) await once(interrupt.signal, 'abort');
        output.note('Stopping …');
        await service.stop();
      } catch (error) {
        // Stopped while starting is a clean stop, too.
        if (!interrupt.signal.aborted || service) throw error;
      } finally {
        release();
      }
    });
}
