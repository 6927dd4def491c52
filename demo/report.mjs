// What the demo prints at the end, and demo/result.json: the same figures.

import { availableParallelism, cpus, platform, release } from 'node:os';
import { formatBytes, formatSeconds, formatTable } from '@rela/cli';

/** Seconds of a run with what its prior cost, over the training seconds of the control. */
function share(run, control) {
  return (run.result.trainSeconds + run.result.priorSeconds) / control.result.trainSeconds;
}

function figures(run, control) {
  const {
    accuracy,
    accuracyStd,
    knn,
    trainSeconds,
    priorSeconds,
    steps,
    switchStep,
    flops,
    waitShare,
    model,
    engine,
  } = run.result;
  return {
    accuracy,
    accuracyStd,
    knn,
    seconds: trainSeconds,
    priorSeconds,
    share: share(run, control),
    steps,
    switchStep,
    flops,
    waitShare,
    model,
    engine,
    reused: run.reused,
  };
}

/** What the work on a run took, whenever it was done. */
function stagesOf({ name, result }) {
  const { priorSeconds, trainSeconds, evaluateSeconds } = result;
  return [
    { name: `  ${name}: targets`, seconds: priorSeconds },
    { name: `  ${name}: train`, seconds: trainSeconds },
    { name: `  ${name}: evaluate`, seconds: evaluateSeconds },
  ].filter(({ seconds }) => seconds > 0);
}

export function resultOf({ priorRun, accelerated, control, parts, memory, reused, experiment }) {
  const [cpu] = cpus();
  return {
    accelerated: figures(accelerated, control),
    control: figures(control, control),
    prior: {
      seconds: accelerated.result.priorSeconds,
      trainSeconds: priorRun.result.trainSeconds,
      accuracy: priorRun.result.accuracy,
      model: priorRun.result.model,
    },
    reused,
    parts: [...parts, ...stagesOf(accelerated), ...stagesOf(control)],
    memory,
    machine: {
      node: process.version,
      system: `${platform()} ${release()}`,
      cpu: cpu?.model ?? null,
      processors: availableParallelism(),
    },
    experiment,
  };
}

const percent = (value) => `${(value * 100).toFixed(1)} %`;
const right = (title, value) => ({ title, value, align: 'right' });

function verdict({ accelerated, control }) {
  const probe = (accelerated.accuracy - control.accuracy) * 100;
  const knn = (accelerated.knn - control.knn) * 100;
  const points = (value) => `${value >= 0 ? '+' : '−'}${Math.abs(value).toFixed(2)}`;
  return `With ReLA: ${points(probe)} points by the linear probe, ${points(knn)} by kNN, at ${percent(accelerated.share)} of the control's cost, and ${percent(accelerated.flops / control.flops)} of its operations.`;
}

export function reportOf(result, models) {
  const runs = ['accelerated', 'control'].map((name) => ({ name, ...result[name] }));
  const table = formatTable(
    [
      { title: 'RUN', value: ({ name }) => name },
      right('LINEAR PROBE', ({ accuracy }) => percent(accuracy)),
      right('KNN', ({ knn }) => percent(knn)),
      right('TRAIN', ({ seconds }) => formatSeconds(seconds)),
      right('PRIOR', ({ priorSeconds }) => formatSeconds(priorSeconds)),
      right('COST', ({ share }) => percent(share)),
      right('STEPS', ({ steps }) => steps),
      right('SWITCH STEP', ({ switchStep }) => switchStep),
    ],
    runs,
  );
  const parts = formatTable(
    [{ title: 'PART', value: ({ name }) => name }, right('TIME', ({ seconds }) => formatSeconds(seconds))],
    result.parts,
  );
  const memory = result.memory
    ? `Peak memory of all ${result.memory.processes} processes together: ${formatBytes(result.memory.pssBytes)} (PSS), ${formatBytes(result.memory.rssBytes)} (RSS, shared pages counted again in every process)`
    : 'Peak memory: not measured on this system';
  return [
    table,
    verdict(result),
    result.reused.length > 0
      ? `Reused from an earlier demo, not computed again (their seconds are those of back then): ${result.reused.join(', ')}`
      : null,
    parts,
    memory,
    `The models (ONNX):\n${models.map((path) => `  ${path}`).join('\n')}`,
  ]
    .filter((section) => section !== null)
    .join('\n\n');
}
