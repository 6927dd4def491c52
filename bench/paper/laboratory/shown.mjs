// How the studies show accuracies and costs over seeds.
import { meanAndStd } from './statistics.mjs';

export const percent = (share) => `${(100 * share).toFixed(1)} %`;
export const seconds = (value) => `${value.toFixed(0)} s`;

/** "mean ± std" of one value a seed. */
export function overSeeds(values, unit = percent) {
  const { mean, std } = meanAndStd(values);
  return `${unit(mean)} ± ${unit(std)}`;
}

/** A difference of accuracies over seeds, { mean, std }. */
export const points = ({ mean, std }) => `${(100 * mean).toFixed(1)} ± ${(100 * std).toFixed(1)} points`;

/** A row of looks at one step, one look a seed. */
export const lookRow = (name, looks, further = {}) => ({
  run: name,
  ...further,
  'linear probe': overSeeds(looks.map(({ accuracy }) => accuracy)),
  kNN: overSeeds(looks.map(({ knn }) => knn)),
  'processor seconds': overSeeds(
    looks.map((look) => look.seconds),
    seconds,
  ),
  'operations, 10¹²': overSeeds(
    looks.map(({ flops }) => flops / 1e12),
    (value) => value.toFixed(1),
  ),
});

/** Curves of accuracy over cost, one of looks a seed; as far as all of them went. @param of names of looks to x and y */
export function curveRows(series, all, { x, y }) {
  const shared = Math.min(...all.map((looks) => looks.length));
  return Array.from({ length: shared }, (_, place) => ({
    ...{ series, x: meanAndStd(all.map((looks) => looks[place][x])).mean },
    ...meanAndStd(all.map((looks) => looks[place][y])),
  }));
}

/** A line to follow a study by. */
export const toldOf = (say, seed, name) => (look) =>
  say(
    `seed ${seed}, ${name}, step ${look.step}: probe ${percent(look.accuracy)}, kNN ${percent(look.knn)}, ${seconds(look.seconds)}`,
  );
