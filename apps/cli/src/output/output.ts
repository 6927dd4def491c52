/** Where a command writes: its result to stdout, everything else to stderr. */

export interface Output {
  /** One JSON document on stdout and nothing else. */
  readonly json: boolean;
  /** What the command was asked for. Called once a command. */
  result(value: unknown, text: () => string): void;
  /** What a person may want to know meanwhile; silent with --json. */
  note(text: string): void;
}

export function createOutput(json: boolean): Output {
  return {
    json,
    result(value, text) {
      process.stdout.write(`${json ? JSON.stringify(value, null, 2) : text()}\n`);
    },
    note(text) {
      if (!json) process.stderr.write(`${text}\n`);
    },
  };
}
