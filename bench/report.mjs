// The result of a bench as a table.
import { formatTable } from '@rela/cli';

const figure = (value) =>
  value === null || value === undefined ? '–' : Number(value.toPrecision(4)).toString();

export function tableOf({ bench, machine, cases }) {
  const right = (title, value) => ({ title, value, align: 'right' });
  const table = formatTable(
    [
      { title: 'CASE', value: ({ name }) => name },
      right('VALUE', ({ value, unit }) => `${figure(value)} ${unit}`),
      right('REFERENCE', ({ reference, unit }) =>
        reference === null ? '–' : `${figure(reference)} ${unit}`,
      ),
      right('RATIO', ({ ratio }) => figure(ratio)),
      right('LOWER QUARTILE', ({ lowerQuartile }) => figure(lowerQuartile)),
      right('SAMPLES', ({ samples }) => samples),
      right('DROPPED', ({ dropped }) => dropped ?? null),
    ],
    cases,
  );
  const { cpu, processors, memoryGiB, system, node } = machine;
  return `${bench}\n${table}\n${processors} processors (${cpu}), ${memoryGiB} GiB, ${system}, Node ${node}`;
}
