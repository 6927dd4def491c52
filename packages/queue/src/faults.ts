/** Errors of connections: a server that is away says the same many times a second. */

/** The same text is passed on once in this time. */
const QUIET_MS = 5000;
/** Texts remembered; more than an outage brings. */
const MOST_TEXTS = 100;

/** Passes an error on to `onError` unless one with the same text was passed on within five seconds. */
export function onceInAWhile(onError: (error: Error) => void): (error: Error) => void {
  const passedOn = new Map<string, number>();
  return (error) => {
    const now = performance.now();
    const last = passedOn.get(error.message);
    if (last !== undefined && now - last < QUIET_MS) return;
    if (passedOn.size >= MOST_TEXTS) passedOn.clear();
    passedOn.set(error.message, now);
    onError(error);
  };
}
