/** What can go wrong with the embedded Postgres, told to the person who starts it. */

export type EmbeddedPostgresCode =
  /** Another live process holds the folder. */
  | 'in-use'
  /** This platform has no programs in npm, or they cannot be made usable. */
  | 'no-programs'
  /** Root, and no unprivileged user to run as. */
  | 'no-account'
  /** The server did not come up; the text holds the end of its log. */
  | 'start-failed';

/** The embedded Postgres cannot be started; the text says why and what to do. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';

  constructor(
    readonly code: EmbeddedPostgresCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
