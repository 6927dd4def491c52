/**
 * Several runs of a graph as one graph: copies in a row, each reading what the one before has made. What a call costs, and what
 * it copies to and from a device, is then paid once for all of them.
 *
 * Gain: `npm run bench -- unrolled-step`.
 */
import type { Graph, GraphNode, Value } from './graph.js';

export interface Unrolling {
  /** For inputs that go from copy to copy, the output that the next copy reads in their place. */
  carried: ReadonlyMap<string, string>;
  /** Inputs of which every copy has its own: they come stacked along a new first axis, as do all outputs that are not carried. */
  stacked: ReadonlySet<string>;
}

export function unroll(graph: Graph, count: number, { carried, stacked }: Unrolling): Graph {
  if (count === 1) return graph;
  const all = [...graph.inputs.values(), ...graph.constants.keys(), ...graph.nodes.flatMap((n) => n.outputs)];
  let id = all.reduce((largest, value) => Math.max(largest, value.id), 0) + 1;
  const made = ({ dtype }: Value, shape: readonly number[]): Value => ({ id: id++, shape, dtype });
  const nodes: GraphNode[] = [];
  const inputs = new Map(graph.inputs);
  const parts = new Map<string, readonly Value[]>();
  for (const name of stacked) {
    const value = graph.inputs.get(name)!;
    const stack = made(value, [count, ...value.shape]);
    const outputs = Array.from({ length: count }, () => made(value, value.shape));
    inputs.set(name, stack);
    parts.set(name, outputs);
    nodes.push({ op: 'Unpack', inputs: [stack], attributes: { axis: 0 }, outputs, line: 'the batch' });
  }
  const rounds: Map<Value, Value>[] = [];
  for (let round = 0; round < count; round++) {
    const before = rounds[round - 1];
    const copies = new Map<Value, Value>();
    const copyOf = (value: Value, of: ReadonlyMap<Value, Value> = copies) => of.get(value) ?? value;
    for (const [name, value] of graph.inputs) {
      const output = graph.outputs.get(carried.get(name) ?? '');
      const part = parts.get(name)?.[round];
      if (part) copies.set(value, part);
      else if (before && output) copies.set(value, copyOf(output, before));
    }
    for (const node of graph.nodes) {
      const outputs = node.outputs.map((value) => made(value, value.shape));
      for (const [index, value] of node.outputs.entries()) copies.set(value, outputs[index]!);
      nodes.push({ ...node, inputs: node.inputs.map((value) => copyOf(value)), outputs });
    }
    rounds.push(copies);
  }
  const isCarried = new Set(carried.values());
  const outputs = new Map<string, Value>();
  for (const [name, value] of graph.outputs) {
    const copies = rounds.map((round) => round.get(value) ?? value);
    if (isCarried.has(name)) {
      outputs.set(name, copies.at(-1)!);
      continue;
    }
    const stack = made(value, [count, ...value.shape]);
    nodes.push({
      op: 'Pack',
      inputs: copies,
      attributes: { axis: 0 },
      outputs: [stack],
      line: 'the metrics',
    });
    outputs.set(name, stack);
  }
  return { inputs, outputs, constants: graph.constants, nodes };
}
