/**
 * The last pass, over ONNX's nodes: what lowering op by op leaves behind. Views of views become views of the first, a view that
 * changes nothing goes, equal nodes are one, and an output is written where it is made instead of being copied there. Each
 * node costs some microseconds, which shows in networks of many small ones, such as MobileNetV2: case `tidy` of `npm run bench --
 * passes`.
 */
import { isSameShape } from '../tensors.js';
import type { OnnxModel, OnnxNode } from './model.js';

export interface TidyOptions {
  /** Whether an output may stand under the sides in which it is made, which are then those of its port. */
  outputsAsMade: boolean;
}

export function tidy(model: OnnxModel, { outputsAsMade }: TidyOptions): OnnxModel {
  const views = new Views(model);
  const nodes = views.merge(model.nodes);
  const fixed = new Set([...model.inputs.map(({ name }) => name), ...model.initializers.keys()]);
  const copies = new Map(nodes.filter(({ op }) => op === 'Identity').map((node) => [node.outputs[0]!, node]));
  const claimed = new Map<string, string>();
  const direct = new Set<OnnxNode>();
  const outputs = model.outputs.map((port) => {
    const copy = copies.get(port.name);
    const value = copy?.inputs[0];
    if (!copy || value === undefined) return port;
    const viewed = outputsAsMade ? views.of(value) : undefined;
    const isFree = (name: string) => !fixed.has(name) && !claimed.has(name);
    const made =
      viewed && isFree(viewed.name) ? viewed : isFree(value) ? { name: value, dims: port.dims } : null;
    if (!made) return port;
    claimed.set(made.name, port.name);
    direct.add(copy);
    return { ...port, dims: made.dims };
  });
  const rename = (name: string) => claimed.get(name) ?? name;
  const renamed = nodes
    .filter((node) => !direct.has(node))
    .map((node) => ({ ...node, inputs: node.inputs.map(rename), outputs: node.outputs.map(rename) }));
  const wanted = [...outputs.map(({ name }) => name), ...(model.signal === undefined ? [] : [model.signal])];
  return { ...model, outputs, nodes: needed(renamed, wanted) };
}

/** What is known of tensors' sides, and which are views of others. */
class Views {
  private readonly sides = new Map<string, readonly number[]>();
  private readonly source = new Map<string, string>();
  private readonly same = new Map<string, string>();

  constructor(private readonly model: OnnxModel) {
    for (const { name, dims } of model.inputs) if (dims.every(isSide)) this.sides.set(name, dims);
  }

  /** The tensor of known sides that `name` is a view of. */
  of(name: string): { name: string; dims: readonly number[] } | undefined {
    const source = this.source.get(name);
    const dims = source === undefined ? undefined : this.sides.get(source);
    return source !== undefined && dims ? { name: source, dims } : undefined;
  }

  merge(nodes: readonly OnnxNode[]): OnnxNode[] {
    const kept: OnnxNode[] = [];
    const seen = new Map<string, OnnxNode>();
    const outputs = new Set(this.model.outputs.map(({ name }) => name));
    for (const given of nodes) {
      const node = { ...given, inputs: given.inputs.map((name) => this.same.get(name) ?? name) };
      if (this.isNothing(node)) continue;
      const { op, domain, inputs, attributes, again } = node;
      const key = JSON.stringify([op, domain, inputs, attributes, node.outputs.length, again]);
      const first = node.outputs.some((name) => outputs.has(name)) ? undefined : seen.get(key);
      if (first) {
        for (const [index, name] of node.outputs.entries()) this.same.set(name, first.outputs[index]!);
        continue;
      }
      seen.set(key, node);
      kept.push(node);
    }
    return kept;
  }

  /** Makes a view one of the first tensor behind it, and notes what is known. True where it changes nothing. */
  private isNothing(node: OnnxNode): boolean {
    const [output] = node.outputs;
    if (node.dims) this.sides.set(output!, node.dims);
    if (node.op !== 'Reshape') return false;
    const sides = this.constant(node.inputs[1]!);
    if (!sides) return false;
    const viewed = this.source.get(node.inputs[0]!) ?? node.inputs[0]!;
    node.inputs[0] = viewed;
    const before = this.sides.get(viewed);
    if (before && isSameShape(before, sides)) {
      this.same.set(output!, viewed);
      return true;
    }
    this.sides.set(output!, sides);
    this.source.set(output!, viewed);
    return false;
  }

  /** The sides that a Reshape asks for, where all of them are given. */
  private constant(name: string): number[] | null {
    const data = this.model.initializers.get(name)?.data;
    if (!(data instanceof BigInt64Array)) return null;
    const sides = Array.from(data, Number);
    return sides.every((side) => side > 0) ? sides : null;
  }
}

const isSide = (side: number | string): side is number => typeof side === 'number';

function needed(nodes: OnnxNode[], outputs: string[]): OnnxNode[] {
  const read = new Set(outputs);
  const kept: OnnxNode[] = [];
  for (const node of [...nodes].reverse()) {
    if (!node.outputs.some((name) => read.has(name))) continue;
    for (const name of node.inputs) read.add(name);
    kept.push(node);
  }
  return kept.reverse();
}
