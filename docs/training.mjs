// Writes the figures of docs/training.md from what the bench has found: `node docs/training.mjs`.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { table } from './table.mjs';
import { writeInto } from './written.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const ratio = ({ ratio, lowerQuartile, samples, processorsOfOthers }) =>
  `${ratio.toFixed(2)} (${[lowerQuartile.toFixed(2), samples, processorsOfOthers?.toFixed(1) ?? '–'].join('; ')})`;
const milliseconds = ({ value }) => (1000 * value).toFixed(0);
const percent = ({ ratio }) => `${(100 * ratio).toFixed(1)} %`;

function replicas({ machine, cases }) {
  const networks = [...new Set(cases.map(({ network }) => network))];
  const rows = networks.map((network) => {
    const of = (wanted) => cases.find((one) => one.network === network && one.part === wanted);
    const [exchange, waiting] = [of('exchange'), of('waiting')];
    return [
      ...[network, ratio(of('both threads')), ratio(of('one thread'))],
      (exchange.bytesAReplica / 1e6).toFixed(1),
      ...[milliseconds(exchange), percent(exchange), percent(waiting)],
    ];
  });
  const head = [
    ...['step of', 'against both threads', 'against one thread', 'gradients, MB'],
    ...['exchange, ms', 'exchange, of the step', 'waiting, of the step'],
  ];
  const { cpu, processors, memoryGiB, system, node } = machine;
  return `${table(head, rows)}

In brackets the lower quartile, the number of pairs, and how many processors other processes used meanwhile. On ${processors} processors (${cpu}), ${memoryGiB} GiB, ${system}, Node ${node}.`;
}

await writeInto(
  here('./training.md'),
  replicas(JSON.parse(await readFile(here('../bench/results/replicas.json'), 'utf8'))),
);
