/** What all lists have in common: pages by cursor. */
import type { Page } from '@rela/contracts';
import type { Command } from 'commander';
import { parseNumber } from './arguments.js';

export interface ListOptions {
  limit?: number;
  cursor?: string;
}

export function addListOptions(command: Command): Command {
  return command
    .option('--limit <n>', 'items a page', parseNumber)
    .option('--cursor <cursor>', 'the `next` of the page before');
}

/** How to read on, where there is more. */
export function moreNote({ next }: Page<unknown>): string {
  return next === null ? '' : `\n\nThere are more: --cursor ${next}`;
}
