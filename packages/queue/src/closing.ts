/** Closing connections of a server that may be away: politely at first, then without asking. */
import { setTimeout as sleep } from 'node:timers/promises';

interface Closable {
  close(): Promise<void>;
  disconnect(): Promise<void>;
}

/** Time for one goodbye. */
const POLITE_MS = 3000;

/** Whether `work` ended, well or badly, within `milliseconds`. */
export async function endsWithin(milliseconds: number, work: Promise<unknown>): Promise<boolean> {
  const late = new AbortController();
  const ended = work.then(
    () => true,
    () => true,
  );
  const gaveUp = sleep(milliseconds, false, { signal: late.signal }).catch(() => false);
  const inTime = await Promise.race([ended, gaveUp]);
  late.abort();
  return inTime;
}

/** Closes all of them; one whose server does not answer is cut off after three seconds. */
export async function closeAll(parts: readonly Closable[]): Promise<void> {
  const closeOne = async (part: Closable) => {
    if (await endsWithin(POLITE_MS, part.close())) return;
    await endsWithin(POLITE_MS, part.disconnect());
  };
  await Promise.all(parts.map(closeOne));
}
