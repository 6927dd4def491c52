// What the studies say about samples of a few seeds.

/** Mean and sample standard deviation; 0 for a single sample. */
export function meanAndStd(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, std: values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : 0 };
}

/** Ranks from 1; equal values share the mean of theirs. */
function ranks(values) {
  const order = [...values].sort((a, b) => a - b);
  return values.map((value) => (order.indexOf(value) + order.lastIndexOf(value)) / 2 + 1);
}

/** Pearson's; 0 where one of the two does not vary, and so tells nothing of the other. */
export function correlation(a, b) {
  const [x, y] = [meanAndStd(a), meanAndStd(b)];
  if (x.std === 0 || y.std === 0) return 0;
  const shared = a.reduce((sum, value, at) => sum + (value - x.mean) * (b[at] - y.mean), 0);
  return shared / ((a.length - 1) * x.std * y.std);
}

/** Spearman's: 1 where both grow together, −1 where one falls as the other grows. */
export const rankCorrelation = (a, b) => correlation(ranks(a), ranks(b));
