/** What jobs found out about priors before they used them, as three queries for any number of jobs. */
import { Appraisal, type Job, PriorChoice, type StageInputOf } from '@rela/contracts';
import type { Transaction } from '../connection.js';
import { Prisma } from '../generated/client.js';

export type PriorReport = Pick<Job, 'appraisals' | 'blend' | 'choice' | 'warnings'>;

export const NOTHING_KNOWN: PriorReport = { appraisals: [], blend: null, choice: null, warnings: [] };

/** Reports by job id; a job without one has nothing to tell. */
export async function reportPriors(prisma: Transaction, jobIds: string[]): Promise<Map<string, PriorReport>> {
  const stages = await prisma.stage.findMany({
    where: {
      jobId: { in: jobIds },
      kind: { in: ['appraise', 'choose'] },
      NOT: { result: { equals: Prisma.DbNull } },
    },
    orderBy: { position: 'asc' },
    select: { jobId: true, kind: true, result: true },
  });
  // 'warning' stands in the text, since that is the condition of the index: of all other events none is read.
  const warnings = await prisma.$queryRaw<{ jobId: string; text: string }[]>`
    SELECT job_id AS "jobId", payload->>'text' AS text FROM job_event
    WHERE job_id = ANY(${jobIds}) AND type = 'warning' ORDER BY sequence`;
  // Not the whole inputs: they name every shard.
  const blends = await prisma.$queryRaw<
    { jobId: string; blend: NonNullable<StageInputOf<'reduce'>['blend']> }[]
  >`
    SELECT job_id AS "jobId", input->'blend' AS blend
    FROM stage WHERE job_id = ANY(${jobIds}) AND kind = 'reduce' AND input ? 'blend'`;
  const reports = new Map<string, PriorReport>();
  const reportOf = (jobId: string): PriorReport => {
    const report = reports.get(jobId) ?? { ...NOTHING_KNOWN, appraisals: [], warnings: [] };
    reports.set(jobId, report);
    return report;
  };
  for (const { jobId, kind, result } of stages) {
    if (jobId === null) continue;
    if (kind === 'choose') reportOf(jobId).choice = PriorChoice.parse(result);
    else reportOf(jobId).appraisals.push(Appraisal.parse(result));
  }
  for (const { jobId, blend } of blends) {
    const parts = blend.flatMap(({ prior, weight }) => (prior ? [{ prior, weight }] : []));
    if (parts.length > 0) reportOf(jobId).blend = parts;
  }
  for (const { jobId, text } of warnings) reportOf(jobId).warnings.push(text);
  return reports;
}
