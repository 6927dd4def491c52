/** `rela batch`: submits the jobs of a file, one a line. */
import { readFile } from 'node:fs/promises';
import type { BatchAnswer } from '@rela/contracts';
import type { JobInput } from '@rela/sdk';
import type { Command } from 'commander';
import { BadResult, UsageError } from '../output/failure.js';
import { formatTable } from '../output/table.js';
import { openSession } from './session.js';

/** With the line that each came from: the service counts what it is sent. */
async function readJobs(file: string): Promise<{ line: number; input: JobInput }[]> {
  const lines = (await readFile(file, 'utf8')).split('\n');
  const jobs = lines.flatMap((text, index) => {
    if (text.trim() === '') return [];
    try {
      // The service validates: a second opinion here would drift from it.
      return [{ line: index + 1, input: JSON.parse(text) as JobInput }];
    } catch {
      throw new UsageError(`Line ${index + 1} of ${file} is not JSON. Each line holds one job.`);
    }
  });
  if (jobs.length === 0) throw new UsageError(`${file} holds no job. Each line holds one, as JSON.`);
  return jobs;
}

export function addBatch(program: Command): void {
  program
    .command('batch')
    .description('submit the jobs of a file, a JSON object a line; exit code 1 where one is refused')
    .argument('<file>', 'JSON lines')
    .action(async (file: string, _options: unknown, command: Command) => {
      const { client, output } = await openSession(command);
      const jobs = await readJobs(file);
      const answers: BatchAnswer[] = [];
      for await (const answer of client.jobs.createMany(jobs.map(({ input }) => input)))
        answers.push({ ...answer, line: jobs[answer.line - 1]?.line ?? answer.line });
      output.result(answers, () =>
        formatTable(
          [
            { title: 'LINE', value: ({ line }) => String(line), align: 'right' },
            { title: 'JOB', value: ({ job }) => job?.id ?? '' },
            { title: 'NAME', value: ({ job }) => job?.name ?? '' },
            { title: 'REFUSED', value: ({ problem }) => problem?.detail ?? '' },
          ],
          answers,
        ),
      );
      const refused = answers.filter(({ job }) => !job).length;
      if (refused > 0) throw new BadResult(`${refused} of ${answers.length} jobs were refused.`);
    });
}
