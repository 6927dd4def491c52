/** What a LayersModel and a GraphModel have in common, once they are loaded. */
import type { Tensor } from '@tensorflow/tfjs-core';

export interface ModelInput {
  name: string;
  /** Null where the model takes any size; null as a whole where it does not say. */
  shape: (number | null)[] | null;
  dtype: string;
}

export interface Predictor {
  inputs: readonly ModelInput[];
  /** Names of the model's outputs. */
  outputs: readonly string[];
  /** Names of what may stand in place of an output, in the order of computation. */
  inner: readonly string[];
  /** The values of these outputs or inner values for one input. */
  predict(input: Tensor, names: readonly string[]): Tensor[];
}
