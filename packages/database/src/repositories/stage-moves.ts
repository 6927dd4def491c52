/** Claims and ends of stages, of which a worker asks for many: those that come at the same time go in one transaction. */
import type { StageKind, StageResult } from '@rela/contracts';
import type { Connection, Statements } from '../connection.js';
import { startDatasets } from '../state/dataset-state.js';
import { appendEventsOf, type EventOfJob } from '../state/events.js';
import { quietJobs, settleJob, startJobs } from '../state/job-state.js';
import { startRuns } from '../state/run-state.js';
import { possibleAfter, queueNextOf } from '../state/stage-portions.js';
import {
  attemptOf,
  type ClaimRequest,
  claimStages,
  type Ending,
  messageOf,
  queueStages,
  readStage,
  type StageRow,
  stageEvents,
  succeedStages,
} from '../state/stage-state.js';
import { type Claim, describeClaims } from './claim.js';
import { grantResults } from './stage-results.js';
import { type Jobs, underLocks } from './under-locks.js';

/** In one transaction. */
const AT_ONCE = 200;
/** Kinds whose results change nothing but what waits for them: the end of many is one piece of work. */
const PLAIN: ReadonlySet<StageKind> = new Set(['embed', 'join', 'reduce'] as const);

export const isPlain = ({ kind }: StageResult): boolean => PLAIN.has(kind);

/** What became of moves, and what the caller has to tell of them: of all in a transaction in one statement. */
interface Moved<Answer> {
  answers: Answer[];
  news: EventOfJob[];
}

/** queued → running, for each whose message is the newest. Answers null in the places of the others. */
async function claimAll(tx: Statements, requests: ClaimRequest[], jobs: Jobs): Promise<Moved<Claim | null>> {
  // Of several who ask by the same message one may have the stage.
  const first = new Map(requests.toReversed().map((request) => [messageOf(request), request]));
  const stages = await claimStages(tx, [...first.values()]);
  if (stages.length === 0) return { answers: requests.map(() => null), news: [] };
  const begun = new Set(stages.map(({ jobId }) => jobId).filter((id) => id !== null));
  const news = [
    ...(await startJobs(
      tx,
      [...begun].filter((id) => jobs.get(id)?.status === 'queued'),
    )),
    ...(await startRuns(tx, [...new Set(stages.map(({ runId }) => runId).filter((id) => id !== null))])),
    ...stageEvents(stages),
  ];
  await startDatasets(
    tx,
    stages.map(({ datasetId }) => datasetId).filter((id) => id !== null),
  );
  const claims = await describeClaims(tx, stages, jobs);
  const byStage = new Map(claims.map((claim) => [claim.stageId, claim]));
  const dispatched = new Set(stages.map(({ id: stageId, dispatch }) => messageOf({ stageId, dispatch })));
  const answers = requests.map((request) =>
    first.get(messageOf(request)) === request && dispatched.has(messageOf(request))
      ? (byStage.get(request.stageId) ?? null)
      : null,
  );
  return { answers, news };
}

/** running → succeeded, and on with what waited for it. Answers false in the places of those that another attempt has. */
async function endAll(tx: Statements, endings: Ending[]): Promise<Moved<boolean>> {
  const stages = await succeedStages(tx, endings);
  // By stage and fence: an attempt that was replaced may tell of its end together with the one that replaced it.
  const ended = new Map(stages.map(({ id, fence }) => [id, fence]));
  const answers: boolean[] = [];
  for (const { stageId, fence, result } of endings) {
    const own = ended.get(stageId) === fence;
    const seen = own || ended.has(stageId) ? null : await readStage(tx, stageId);
    answers.push(own || (seen?.status === 'succeeded' && seen.fence === fence));
    if (seen && seen.status !== 'succeeded') assertKind(seen, result);
  }
  if (stages.length === 0) return { answers, news: [] };
  const kept = new Map(endings.map((ending) => [attemptOf(ending), ending.result]));
  await grantResults(
    tx,
    stages.map((stage) => ({
      stage,
      result: kept.get(attemptOf({ stageId: stage.id, fence: stage.fence }))!,
    })),
  );
  const news = stageEvents(stages);
  const possible = await possibleAfter(tx, [...ended.keys()]);
  const quiet = await quietJobs(tx, [
    ...new Set(stages.map(({ jobId }) => jobId).filter((id) => id !== null)),
  ]);
  if (possible.length === 0 && quiet.length === 0) return { answers, news };
  // What follows from the ends tells of itself, and is told after them.
  await appendEventsOf(tx, news);
  await queueStages(tx, possible);
  for (const id of quiet) await settleJob(tx, id);
  return { answers, news: [] };
}

/** What workers ask for all the time. A process asks for both in one transaction: it would wait for its own locks otherwise. */
type Move = ({ ask: 'claim' } & ClaimRequest) | ({ ask: 'end' } & Ending);

async function moveAll(tx: Statements, moves: Move[], jobs: Jobs): Promise<(Claim | boolean | null)[]> {
  const endings = moves.filter((move) => move.ask === 'end');
  const requests = moves.filter((move) => move.ask === 'claim');
  const nothing = { answers: [], news: [] };
  const ended = endings.length > 0 ? await endAll(tx, endings) : nothing;
  const claimed = requests.length > 0 ? await claimAll(tx, requests, jobs) : nothing;
  await appendEventsOf(tx, [...ended.news, ...claimed.news]);
  for (const { id, possibleFrom } of jobs.values()) if (possibleFrom !== null) await queueNextOf(tx, id);
  const answers = new Map<Move, Claim | boolean | null>([
    ...endings.map((move, index) => [move, ended.answers[index]!] as const),
    ...requests.map((move, index) => [move, claimed.answers[index] ?? null] as const),
  ]);
  return moves.map((move) => answers.get(move) ?? null);
}

/** @throws Error where a stage was given the result of another kind */
export function assertKind({ id, kind }: StageRow, result: StageResult): void {
  if (kind !== result.kind)
    throw new Error(`Stage ${id} is of kind ${kind}; it was given a result of ${result.kind}.`);
}

export function createStageMoves(directly: Connection['directly']) {
  const move = underLocks<Move, Claim | boolean | null>(
    { directly },
    { work: moveAll, nothing: null, most: AT_ONCE },
  );
  return {
    claim: async (request: ClaimRequest): Promise<Claim | null> =>
      (await move({ ask: 'claim', ...request })) as Claim | null,

    /** Of a kind that is plain. @returns false where another attempt has the stage */
    end: async (ending: Ending): Promise<boolean> => (await move({ ask: 'end', ...ending })) === true,
  };
}
