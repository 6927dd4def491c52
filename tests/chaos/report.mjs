// The report of a run, as Markdown: what struck, what was accepted and what became of it, what was looked at, what did not hold.
import { cpus, totalmem } from 'node:os';
import { table } from '../../docs/table.mjs';

const sum = (numbers) => numbers.reduce((one, other) => one + other, 0);
const listed = (record) =>
  Object.entries(record)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');

function verdict({ looked, broken }) {
  if (!looked) return 'The run is under way, or was cut: its promises are not looked at yet.';
  if (broken.length === 0) return 'Every promise was kept.';
  return `${broken.length} promises were broken:\n\n${broken.map((sentence) => `- ${sentence}`).join('\n')}`;
}

export function describe(run) {
  const { seed, wanted, queue, began, seconds, struck, missed, accepted, wishes, ended, deaths, looked } =
    run;
  const rows = Object.entries(struck)
    .sort(([one], [other]) => one.localeCompare(other))
    .map(([name, times]) => [name, String(times)]);
  return `${[
    '# Chaos',
    `\`npm run chaos -- --seed ${seed} --faults ${wanted} --queue ${queue}\`, begun ${began.toISOString()}, ${Math.round(seconds)} s, on ${cpus().length} processors (${cpus()[0].model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB.`,
    verdict(run),
    `Faults that struck: ${sum(Object.values(struck))} of ${wanted}. That found nothing to strike: ${missed.length}${missed.map((name) => `\n- ${name}`).join('')}`,
    table(['fault', 'struck'], rows),
    `Processes that died and were started again: ${listed(deaths)}.`,
    `Jobs accepted: ${accepted.length}${ended ? `; ended: ${listed(ended)}` : ''}. Wishes of users: ${listed(wishes)}.`,
    ...(looked ? [`Looked at: ${listed(looked)}.`] : []),
  ].join('\n\n')}\n`;
}
