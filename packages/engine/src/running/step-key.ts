/** The digest of a step: of its graph, of what its kernels follow from, and of the code that lowers it. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as ort from 'onnxruntime-node';
import type { Graph, Value } from '../graph/graph.js';
import { NONE, type Without } from '../passes.js';
import type { Plan } from '../plan/plan.js';

export interface StepSetting {
  block: number | null;
  threads: number;
  plan: Plan;
  /** Default: none. */
  without?: Without;
}

let ofThisCode: string | undefined;

/** Another version of the engine may make another graph of the same step. */
function digestOfThisCode(): string {
  if (ofThisCode !== undefined) return ofThisCode;
  const root = fileURLToPath(new URL('..', import.meta.url));
  const hash = createHash('sha256').update(JSON.stringify(ort.env.versions));
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' });
  for (const file of files.filter((name) => /\.[jt]s$/.test(name)).sort())
    hash.update(file).update(readFileSync(join(root, file)));
  ofThisCode = hash.digest('hex');
  return ofThisCode;
}

/** JSON writes infinities and NaN alike, as null. */
const exact = (_: string, item: unknown) =>
  typeof item === 'number' && !Number.isFinite(item) ? String(item) : item;

/** Equal for graphs that differ in nothing but the numbers of their values and the lines that they come from. */
export function stepKey(graph: Graph, { block, threads, plan, without = NONE }: StepSetting): string {
  const numbers = new Map<Value, number>();
  const numberOf = (value: Value) => {
    const known = numbers.get(value) ?? numbers.size;
    numbers.set(value, known);
    return known;
  };
  const described = (value: Value) => [numberOf(value), value.dtype, value.shape];
  const hash = createHash('sha256').update(digestOfThisCode());
  const add = (...parts: unknown[]) => hash.update(JSON.stringify(parts, exact)).update('\n');
  add(block, threads, Object.entries(plan).sort(), [...without].sort());
  for (const [name, value] of graph.inputs) add(name, described(value));
  for (const [value, data] of graph.constants) {
    add(described(value));
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  for (const { op, inputs, attributes, outputs } of graph.nodes)
    add(op, inputs.map(numberOf), attributes, outputs.map(described));
  for (const [name, value] of graph.outputs) add(name, numberOf(value));
  return hash.digest('hex');
}
