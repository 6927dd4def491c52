/** Shows how far work is: bars on a terminal, a line every few seconds elsewhere. */
import type { JobUpdate } from '@rela/sdk';
import { MultiBar, Presets, type SingleBar } from 'cli-progress';
import type { StageProgress } from './stage-progress.js';

export interface ProgressDisplay {
  /** The state of everything that is under way, waits or has ended. */
  show(groups: StageProgress[]): void;
  /** A sentence that stays. */
  say(text: string): void;
  close(): void;
}

const LINE_MS = 5_000;
const LABEL_WIDTH = 24;

function bars(stream: NodeJS.WriteStream): ProgressDisplay {
  const all = new MultiBar(
    {
      stream,
      format: '{label} {bar} {percentage}%  {text}',
      barsize: 28,
      hideCursor: true,
      linewrap: false,
      // Signals are the command's.
      gracefulExit: false,
    },
    Presets.shades_classic,
  );
  const shown = new Map<string, SingleBar>();
  return {
    show(groups) {
      for (const { key, label, share, text } of groups) {
        const payload = { label: label.padEnd(LABEL_WIDTH), text };
        const bar = shown.get(key) ?? all.create(1, 0, payload);
        shown.set(key, bar);
        bar.update(share, payload);
      }
      all.update();
    },
    say: (text) => all.log(`${text}\n`),
    close: () => all.stop(),
  };
}

function lines(stream: NodeJS.WriteStream): ProgressDisplay {
  const ended = new Set<string>();
  let last = Number.NEGATIVE_INFINITY;
  const write = ({ label, share, text }: StageProgress) =>
    stream.write(`${label.padEnd(LABEL_WIDTH)} ${Math.floor(share * 100)} %  ${text}\n`);
  return {
    show(groups) {
      for (const group of groups) {
        if ((group.state !== 'done' && group.state !== 'failed') || ended.has(group.key)) continue;
        ended.add(group.key);
        write(group);
      }
      if (performance.now() - last < LINE_MS) return;
      last = performance.now();
      for (const group of groups) if (group.state === 'running') write(group);
    },
    say: (text) => stream.write(`${text}\n`),
    close: () => undefined,
  };
}

/**
 * For people: on stderr, so that stdout stays the command's result.
 * @param groups bars that it takes; more than the terminal is high cannot be drawn over again
 */
export function createDisplay(groups: number, stream: NodeJS.WriteStream = process.stderr): ProgressDisplay {
  return stream.isTTY && groups < stream.rows - 2 ? bars(stream) : lines(stream);
}

/** The sentence for an event that a person should not miss; null for the others. */
export function sentenceOf(update: JobUpdate, names: ReadonlyMap<string, string>): string | null {
  if (update.type === 'progress') return null;
  const run = 'runId' in update && update.runId !== null ? (names.get(update.runId) ?? update.runId) : null;
  if (update.type === 'warning') return update.text;
  if (update.type === 'switch') return `${run}: switched to the loss of its method at step ${update.step}`;
  if (update.type === 'run' && update.error !== null) return `${run} ${update.status}: ${update.error}`;
  if (update.type === 'stage' && update.error !== null && update.status !== 'cancelled')
    return `${update.kind}${run ? ` ${run}` : ''} ${update.status} after attempt ${update.attempt}: ${update.error}`;
  return null;
}
