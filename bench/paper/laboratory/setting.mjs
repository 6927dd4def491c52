// What the studies on images share: data, network, priors. Small enough for a machine without a GPU, at the images' own size: batches of 64, and
// the stem that halves them twice.
const shared = { imageSize: 28, backbone: { name: 'resnet18-narrow', stem: 'standard' }, batchSize: 64 };

export const FULL = {
  setting: { ...shared, train: 5_000, test: 5_000 },
  seeds: [1, 2, 3],
  epochs: 12,
  scale: 1,
};
export const QUICK = { setting: { ...shared, train: 640, test: 300 }, seeds: [1], epochs: 1, scale: 0.1 };

const supervised = { name: 'supervised' };
const byol = { name: 'byol' };

/** Runs whose models are priors, from none at all to one that has seen the images with their labels. */
export const PRIORS = {
  untrained: { run: null },
  'digits, glimpsed': { recipe: 'mnist', train: 1_000, run: { method: supervised, epochs: 1 } },
  'digits, with labels': { recipe: 'mnist', train: 10_000, run: { method: supervised, epochs: 2 } },
  'digits, BYOL': { recipe: 'mnist', train: 10_000, run: { method: byol, epochs: 4 } },
  'clothes, BYOL': { recipe: 'fashion-mnist', train: 10_000, run: { method: byol, epochs: 4 } },
  'clothes, with labels': { recipe: 'fashion-mnist', train: 10_000, run: { method: supervised, epochs: 4 } },
};
/** Between those that know nothing of the images and the one that knows them best, for what needs priors that differ by more than seeds do. */
export const GRADED = {
  'clothes, a few labels': { recipe: 'fashion-mnist', train: 1_000, run: { method: supervised, epochs: 4 } },
  'clothes, labels once': { recipe: 'fashion-mnist', train: 10_000, run: { method: supervised, epochs: 1 } },
};
/** The one that knows no clothes and is cheap: the prior where only one is asked for. */
export const PRIOR = 'digits, with labels';
