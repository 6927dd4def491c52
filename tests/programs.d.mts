/** Types of programs.mjs. */
export interface Program {
  readonly name: string;
  readonly pid: number | null;
  readonly deaths: number;
  start(): Promise<void>;
  signal(name: NodeJS.Signals): void;
  stop(): Promise<boolean>;
}

export function programOf(name: string): string;
export function freePort(): Promise<number>;
export function createProgram(options: {
  name: string;
  file: string;
  environment: NodeJS.ProcessEnv;
  /** File descriptor of its output. */
  log: number;
}): Program;
