/**
 * Metrics of runs, in blocks of 64 steps: one row of arrays a block, an element a step, by rising step. Row by row a million runs
 * would fill six times the disk (docs/database.md); a block is written anew by every batch that falls into it.
 */
import type { RunMetric } from '@rela/contracts';
import type { Transaction } from '../connection.js';
import { Prisma } from '../generated/client.js';
import type { Claim } from './claim.js';

/** Steps a block; a constraint of the table knows it too. */
const STEPS = 64;

/** The arrays of a row, and how a row of steps becomes them. */
const COLUMNS = Prisma.raw('step, epoch, rela, loss, rho, classifier_accuracy, seconds');
const COLUMNS_OF = (row: string) =>
  Prisma.raw(
    ['step', 'epoch', 'rela', 'loss', 'rho', 'classifier_accuracy', 'seconds']
      .map((column) => `${row}.${column}`)
      .join(', '),
  );
const GATHERED = Prisma.raw(
  ['step', 'epoch', 'rela', 'loss', 'rho', 'classifier_accuracy', 'seconds']
    .map((column) => `array_agg(metric.${column} ORDER BY metric.step)`)
    .join(', '),
);

interface MetricRow extends Omit<RunMetric, 'phase'> {
  rela: boolean;
}

/** In order of their steps, from the first behind `afterStep`. */
export async function readMetrics(
  prisma: Pick<Transaction, '$queryRaw'>,
  runId: string,
  { afterStep, limit }: { afterStep: number; limit: number },
): Promise<RunMetric[]> {
  // By block before by step: sorted a block at a time, the blocks behind the page are not read.
  const rows = await prisma.$queryRaw<MetricRow[]>`
    SELECT metric.step, metric.epoch, metric.rela, metric.loss, metric.rho,
      metric.classifier_accuracy AS "classifierAccuracy", metric.seconds
    FROM run_metric AS kept, unnest(${COLUMNS_OF('kept')}) AS metric (${COLUMNS})
    WHERE kept.run_id = ${runId} AND kept.block >= ${Math.floor(afterStep / STEPS)} AND metric.step > ${afterStep}
    ORDER BY kept.block, metric.step LIMIT ${limit}`;
  return rows.map(({ rela, ...metric }) => ({ ...metric, phase: rela ? 'rela' : 'method' }));
}

/** Writes a batch; steps that are there already are replaced. @returns false where the claim is lost */
export async function writeMetrics(
  prisma: Pick<Transaction, '$executeRaw'>,
  claim: Claim,
  metrics: RunMetric[],
): Promise<boolean> {
  const batch = [...new Map(metrics.map((metric) => [metric.step, metric])).values()];
  if (batch.length === 0) return true;
  const written = await prisma.$executeRaw`
    INSERT INTO run_metric AS kept (run_id, block, ${COLUMNS})
    SELECT held.run_id, (metric.step - 1) / ${STEPS}::int AS block, ${GATHERED}
    FROM (
      SELECT run_id FROM stage
      WHERE id = ${claim.stageId} AND fence = ${claim.fence} AND status = 'running' FOR SHARE
    ) AS held, (
      SELECT step, epoch, phase = 'rela' AS rela, loss, rho, "classifierAccuracy" AS classifier_accuracy, seconds
      FROM jsonb_to_recordset(${JSON.stringify(batch)}::jsonb) AS sent (
        step int, epoch int, phase text, loss float8, rho float8, "classifierAccuracy" float8, seconds float8)
    ) AS metric
    GROUP BY held.run_id, block ORDER BY block
    ON CONFLICT (run_id, block) DO UPDATE SET (${COLUMNS}) = (
      SELECT ${GATHERED} FROM (
        SELECT * FROM unnest(${COLUMNS_OF('kept')}) AS before (${COLUMNS}) WHERE NOT before.step = ANY (excluded.step)
        UNION ALL SELECT * FROM unnest(${COLUMNS_OF('excluded')})
      ) AS metric (${COLUMNS}))`;
  return written > 0;
}
