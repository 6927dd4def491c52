// What the demo runs, in one place: a prior made on MNIST, and Fashion-MNIST with and without it.
// The control and the accelerated run share everything but what ReLA changes: its targets, and half the data an epoch.

/** Names carry the sizes, so that another size is another data set. */
function dataset(recipe, limit) {
  return { name: `${recipe}-${limit.train}-${limit.test}`, source: { kind: 'recipe', recipe }, limit };
}

export const datasets = {
  prior: dataset('mnist', { train: 10_000, test: 1_000 }),
  student: dataset('fashion-mnist', { train: 6_400, test: 2_000 }),
};

const backbone = { name: 'resnet18-narrow' };
const seed = 1;

/** The model that knows digits, and of clothes nothing. */
export const priorRun = {
  name: 'prior',
  method: { name: 'supervised' },
  backbone,
  epochs: 1,
  batchSize: 128,
  seed,
  evaluation: { probe: { epochs: 10 } },
};

const shared = { method: { name: 'byol' }, backbone, epochs: 5, batchSize: 128, seed };

export const control = { ...shared, name: 'control', dataRatio: 1, rela: null };
export const accelerated = {
  ...shared,
  name: 'accelerated',
  dataRatio: 0.5,
  rela: { switch: { kind: 'adaptive' }, transport: 'fixed' },
};
