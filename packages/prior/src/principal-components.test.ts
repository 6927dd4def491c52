import { ProblemError } from '@rela/contracts';
import { describe, expect, it } from 'vitest';
import { breathing } from './breath.js';
import { leadingEigenpairs } from './eigen/eigenpairs.js';
import { principalComponents, projectTargets } from './principal-components.js';
import { ShardStatistics } from './shard-statistics.js';
import { seeded } from './testing/models.js';

async function statisticsOf(rows: Float32Array, width: number): Promise<ShardStatistics> {
  const statistics = ShardStatistics.empty(width);
  await statistics.add(rows);
  return statistics;
}

/** Rows whose features are correlated and of different size. */
function correlatedRows(count: number, width: number, seed: number): Float32Array {
  const random = seeded(seed);
  const mix = Float64Array.from({ length: width * width }, random);
  const rows = new Float32Array(count * width);
  for (let row = 0; row < count; row++) {
    const hidden = Float64Array.from({ length: width }, (_, index) => random() * 0.8 ** index);
    for (let feature = 0; feature < width; feature++) {
      let sum = feature;
      for (let index = 0; index < width; index++) sum += mix[feature * width + index]! * hidden[index]!;
      rows[row * width + feature] = sum;
    }
  }
  return rows;
}

const column = (targets: Float32Array, k: number, index: number): number[] =>
  Array.from({ length: targets.length / k }, (_, row) => targets[row * k + index]!);

const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const variance = (values: number[]): number => {
  const centre = mean(values);
  return mean(values.map((value) => (value - centre) ** 2));
};

/** Eigenvalues of a symmetric matrix by cyclic Jacobi rotations: slow, simple, independent. */
function jacobi(matrix: Float64Array, m: number): { values: number[]; vectors: Float64Array } {
  const a = matrix.slice();
  const v = new Float64Array(m * m);
  for (let i = 0; i < m; i++) v[i * m + i] = 1;
  const rotate = (x: Float64Array, i: number, j: number, c: number, s: number) => {
    const [p, q] = [x[i]!, x[j]!];
    x[i] = c * p - s * q;
    x[j] = s * p + c * q;
  };
  for (let sweep = 0; sweep < 30; sweep++)
    for (let p = 0; p < m; p++)
      for (let q = p + 1; q < m; q++) {
        if (Math.abs(a[p * m + q]!) < 1e-300) continue;
        const theta = (a[q * m + q]! - a[p * m + p]!) / (2 * a[p * m + q]!);
        const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
        const c = 1 / Math.sqrt(t * t + 1);
        for (let i = 0; i < m; i++) rotate(a, i * m + p, i * m + q, c, t * c);
        for (let i = 0; i < m; i++) rotate(a, p * m + i, q * m + i, c, t * c);
        for (let i = 0; i < m; i++) rotate(v, p * m + i, q * m + i, c, t * c);
      }
  const order = Array.from({ length: m }, (_, index) => index).sort((i, j) => a[j * m + j]! - a[i * m + i]!);
  const vectors = new Float64Array(m * m);
  for (const [index, from] of order.entries()) vectors.set(v.subarray(from * m, (from + 1) * m), index * m);
  return { values: order.map((index) => a[index * m + index]!), vectors };
}

const dot = (left: Float64Array, right: Float64Array): number =>
  left.reduce((sum, value, index) => sum + value * right[index]!, 0);

describe('leading eigenpairs', () => {
  it.each([1, 2, 5, 40, 100])('equal those of Jacobi rotations for width %i', async (m) => {
    const covariance = (await statisticsOf(correlatedRows(3 * m + 2, m, m), m)).covariance();
    const expected = jacobi(covariance, m);
    const { values, vectors } = await leadingEigenpairs(covariance.slice(), m, m, breathing());
    const scale = expected.values[0]!;
    for (let index = 0; index < m; index++) {
      expect(Math.abs(values[index]! - expected.values[index]!) / scale).toBeLessThan(1e-12);
      const vector = vectors.subarray(index * m, (index + 1) * m);
      expect(Math.abs(dot(vector, vector) - 1)).toBeLessThan(1e-10);
      const gap = Math.min(
        ...expected.values
          .filter((_, other) => other !== index)
          .map((value) => Math.abs(value - values[index]!)),
      );
      if (gap / scale > 1e-6)
        expect(1 - Math.abs(dot(vector, expected.vectors.subarray(index * m, (index + 1) * m)))).toBeLessThan(
          1e-8,
        );
    }
  });

  it('are orthonormal and solve A v = λ v where eigenvalues coincide or are zero', async () => {
    const m = 60;
    // Rank 20 with eigenvalues 3 (ten times) and 1 (ten times): A = Σ λ u uᵀ over orthonormal u.
    const basis = jacobi((await statisticsOf(correlatedRows(200, m, 9), m)).covariance(), m).vectors;
    const matrix = new Float64Array(m * m);
    for (let index = 0; index < 20; index++)
      for (let row = 0; row < m; row++)
        for (let col = 0; col < m; col++)
          matrix[row * m + col]! += (index < 10 ? 3 : 1) * basis[index * m + row]! * basis[index * m + col]!;
    const { values, vectors } = await leadingEigenpairs(matrix.slice(), m, m, breathing());
    for (let index = 0; index < m; index++) {
      expect(Math.abs(values[index]! - (index < 10 ? 3 : index < 20 ? 1 : 0))).toBeLessThan(1e-10);
      const vector = vectors.subarray(index * m, (index + 1) * m);
      for (let row = 0; row < m; row++)
        expect(
          Math.abs(dot(matrix.subarray(row * m, (row + 1) * m), vector) - values[index]! * vector[row]!),
        ).toBeLessThan(1e-10);
      for (let other = 0; other <= index; other++)
        expect(
          Math.abs(dot(vector, vectors.subarray(other * m, (other + 1) * m)) - (other === index ? 1 : 0)),
        ).toBeLessThan(1e-10);
    }
  });
});

describe('targets', () => {
  it('have mean 0 and population variance 1 in every dimension, and do not correlate', async () => {
    const [width, k, count] = [12, 7, 400];
    const rows = correlatedRows(count, width, 1);
    const targets = await projectTargets(rows, await principalComponents(await statisticsOf(rows, width), k));
    expect(targets.length).toBe(count * k);
    for (let index = 0; index < k; index++) {
      const values = column(targets, k, index);
      expect(Math.abs(mean(values))).toBeLessThan(1e-5);
      expect(Math.abs(variance(values) - 1)).toBeLessThan(1e-5);
      for (let other = 0; other < index; other++) {
        const others = column(targets, k, other);
        expect(Math.abs(mean(values.map((value, row) => value * others[row]!)))).toBeLessThan(1e-5);
      }
    }
  });

  it('are the projections on the eigenvectors of the covariance by its definition', async () => {
    const [width, k, count] = [9, 4, 100];
    const rows = correlatedRows(count, width, 2);
    const statistics = await statisticsOf(rows, width);
    const { vectors } = jacobi(statistics.covariance(), width);
    const targets = await projectTargets(rows, await principalComponents(statistics, k));
    for (let index = 0; index < k; index++) {
      const vector = vectors.subarray(index * width, (index + 1) * width);
      const largest = vector.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0);
      const projected = Array.from({ length: count }, (_, row) =>
        vector.reduce(
          (sum, value, feature) =>
            sum + Math.sign(largest) * value * (rows[row * width + feature]! - statistics.mean[feature]!),
          0,
        ),
      );
      const deviation = Math.sqrt(variance(projected));
      for (const [row, value] of column(targets, k, index).entries())
        expect(Math.abs(value - projected[row]! / deviation)).toBeLessThan(1e-5);
    }
  });

  it('are the same within 1e-9 however the shards were grouped', async () => {
    const width = 20;
    const rows = correlatedRows(500, width, 3);
    const whole = await principalComponents(await statisticsOf(rows, width), 8);
    for (const size of [1, 37, 250]) {
      const merged = ShardStatistics.empty(width);
      for (let from = 0; from < 500; from += size)
        merged.merge(
          await statisticsOf(rows.subarray(from * width, Math.min(500, from + size) * width), width),
        );
      const components = await principalComponents(merged, 8);
      for (const [index, value] of components.components.entries())
        expect(Math.abs(value - whole.components[index]!)).toBeLessThan(1e-9);
      for (const [index, value] of components.scale.entries())
        expect(Math.abs(value / whole.scale[index]! - 1)).toBeLessThan(1e-9);
    }
  });

  it('recover the hidden factors of rows of known rank, and are 0 beyond it', async () => {
    const [width, rank, count] = [16, 3, 300];
    const random = seeded(5);
    const directions = Float64Array.from({ length: rank * width }, random);
    const rows = new Float32Array(count * width);
    for (let row = 0; row < count; row++) {
      const factors = Array.from({ length: rank }, random);
      for (let feature = 0; feature < width; feature++)
        rows[row * width + feature] = factors.reduce(
          (sum, factor, index) => sum + factor * directions[index * width + feature]!,
          2,
        );
    }
    const components = await principalComponents(await statisticsOf(rows, width), width);
    expect([...components.scale].map((value) => value > 0)).toEqual(
      Array.from({ length: width }, (_, index) => index < rank),
    );
    const targets = await projectTargets(rows, components);
    for (let index = 0; index < width; index++) {
      const values = column(targets, width, index);
      if (index < rank) expect(variance(values)).toBeCloseTo(1, 4);
      else expect(values.every((value) => value === 0)).toBe(true);
    }
  });

  it('are 0, never NaN, for features without variance and for equal images', async () => {
    const rows = correlatedRows(50, 4, 6);
    for (let row = 0; row < 50; row++) rows[row * 4 + 2] = 1000;
    const some = await projectTargets(rows, await principalComponents(await statisticsOf(rows, 4), 4));
    expect(column(some, 4, 3)).toEqual(new Array(50).fill(0));
    expect(some.every(Number.isFinite)).toBe(true);
    const equal = new Float32Array(40).fill(0.1);
    expect([
      ...(await projectTargets(equal, await principalComponents(await statisticsOf(equal, 4), 4))),
    ]).toEqual(new Array(40).fill(0));
  });

  it('of n images have at most n − 1 dimensions', async () => {
    const rows = correlatedRows(3, 8, 7);
    const targets = await projectTargets(rows, await principalComponents(await statisticsOf(rows, 8), 8));
    for (let index = 0; index < 8; index++) {
      const spread = variance(column(targets, 8, index));
      if (index < 2) expect(spread).toBeCloseTo(1, 4);
      else expect(spread).toBe(0);
    }
    const one = rows.subarray(0, 8);
    expect([
      ...(await projectTargets(one, await principalComponents(await statisticsOf(one, 8), 8))),
    ]).toEqual(new Array(8).fill(0));
  });

  it('do not depend on the sign that an eigenvector happens to have', async () => {
    const { components } = await principalComponents(await statisticsOf(correlatedRows(80, 6, 8), 6), 6);
    for (let index = 0; index < 6; index++) {
      const vector = components.subarray(index * 6, (index + 1) * 6);
      const largest = vector.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0);
      expect(largest).toBeGreaterThan(0);
    }
  });

  it('let others have their turn while they are computed, and stop when they are told to', async () => {
    const width = 40;
    const rows = correlatedRows(60, width, 9);
    let breaths = 0;
    const breath = async () => {
      breaths++;
    };
    const components = await principalComponents(await statisticsOf(rows, width), 10, breath);
    // One for every step of the reduction, and some for the rest.
    expect(breaths).toBeGreaterThan(width);
    await projectTargets(rows, components, breath);
    const stop = async () => {
      throw new Error('cancelled');
    };
    await expect(principalComponents(await statisticsOf(rows, width), 10, stop)).rejects.toThrow('cancelled');
    await expect(projectTargets(rows, components, stop)).rejects.toThrow('cancelled');
  });

  it('are refused without images, and in a width that embeddings do not have', async () => {
    await expect(principalComponents(ShardStatistics.empty(4), 4)).rejects.toThrow(ProblemError);
    const components = await principalComponents(await statisticsOf(correlatedRows(9, 4, 1), 4), 2);
    await expect(principalComponents(await statisticsOf(correlatedRows(9, 4, 1), 4), 5)).rejects.toThrow(
      RangeError,
    );
    await expect(projectTargets(new Float32Array(6), components)).rejects.toThrow(RangeError);
  });
});
