/**
 * Joins what batch norm does to feature maps, a factor and a summand a channel, a residual, a ReLU, into one op, and sums a
 * channel over a product into another, so that every map is read and written once where op by op it is several times.
 * Only for maps that stand in blocks of channels, whose direct kernels can do this (`onnx/lowering/channels.ts`).
 * Measured gain: case `fuse-channels` of `npm run bench -- passes`.
 */
import type { TensorData } from '../tensors.js';
import { isSameShape, sizeOf } from '../tensors.js';
import type { Graph, GraphNode, Value } from './graph.js';

/** y = activation(x · scale + shift + residual); the inputs are x and those of the others that `parts` names. */
export interface AffineAttributes {
  parts: ('scale' | 'shift' | 'residual')[];
  activation: 'Relu' | 'Relu6' | null;
}

/** Σ over images and positions of a, or of a · b, times `factor`. */
export interface ChannelSumAttributes {
  factor: number;
}

interface Affine {
  x: Value;
  scale?: Value;
  shift?: Value;
  residual?: Value;
}

/** Ops after which a map stands in blocks if it did before. */
const KEEPS_BLOCKS = new Set([
  ...['Add', 'AddN', 'Sub', 'Multiply', 'RealDiv', 'Relu', 'Relu6', 'Relu6Slope', 'Step', 'Square', 'Cast'],
]);

export function fuseChannels(graph: Graph, block: number): Graph {
  return new Fusion(graph, block).run();
}

class Fusion {
  private readonly constants: Map<Value, TensorData>;
  private readonly kept = new Set<GraphNode>();
  private readonly producer = new Map<Value, GraphNode>();
  private readonly affine = new Map<Value, Affine>();
  private readonly uses = new Map<Value, number>();
  private readonly inBlocks = new Set<Value>();
  private readonly rectified = new Map<Value, Value>();
  private nextId: number;

  constructor(
    private readonly graph: Graph,
    private readonly block: number,
  ) {
    this.constants = new Map(graph.constants);
    const values = [...graph.nodes.flatMap(({ outputs }) => outputs), ...graph.constants.keys()];
    this.nextId = values.reduce((least, { id }) => Math.min(least, id), 0) - 1;
    for (const { op, inputs, outputs } of graph.nodes)
      if (op === 'Relu') this.rectified.set(inputs[0]!, outputs[0]!);
  }

  run(): Graph {
    const nodes = this.slopesOfResults();
    for (const value of [...nodes.flatMap(({ inputs }) => inputs), ...this.graph.outputs.values()])
      this.uses.set(value, (this.uses.get(value) ?? 0) + 1);
    for (const node of nodes) {
      if (!this.fused(node)) this.emit(node);
      if (this.standsInBlocks(node)) this.inBlocks.add(node.outputs[0]!);
    }
    return { ...this.graph, constants: this.constants, nodes: [...this.kept] };
  }

  /** The slope of a ReLU can be told from its result as well: what went into it need not be kept then. */
  private slopesOfResults(): GraphNode[] {
    const made = new Set<Value>();
    return this.graph.nodes.map((node) => {
      for (const output of node.outputs) made.add(output);
      const result = this.rectified.get(node.inputs[0]!);
      const isSlope = node.op === 'Step' && ((node.attributes.alpha as number | undefined) ?? 0) === 0;
      return isSlope && result && made.has(result) ? { ...node, inputs: [result] } : node;
    });
  }

  private emit(node: GraphNode): void {
    this.kept.add(node);
    for (const output of node.outputs) this.producer.set(output, node);
  }

  private standsInBlocks({ op, inputs, outputs }: GraphNode): boolean {
    const { shape, dtype } = outputs[0]!;
    if (shape.length !== 4 || dtype !== 'float32' || shape[3]! % this.block !== 0) return false;
    const [, second] = inputs;
    switch (op) {
      case 'Conv2D': {
        const [height, width, channels] = second!.shape as [number, number, number];
        return channels % this.block === 0 || channels < this.block || height * width === 1;
      }
      case 'Conv2DBackpropInput':
        return second!.shape[3]! % this.block === 0 || second!.shape[0]! * second!.shape[1]! === 1;
      case 'DepthwiseConv2dNative':
      case 'DepthwiseConv2dNativeBackpropInput':
        return second!.shape[3] === 1;
      case 'Broadcast':
        return true;
      default:
        return (
          KEEPS_BLOCKS.has(op) &&
          inputs.some((input) => this.inBlocks.has(input) && isSameShape(input.shape, shape))
        );
    }
  }

  /** One number a channel, for a map in blocks. */
  private isVector(value: Value, map: Value): boolean {
    const channels = map.shape[3]!;
    return value.dtype === 'float32' && sizeOf(value.shape) === channels && value.shape.at(-1) === channels;
  }

  private isMap(value: Value): boolean {
    return this.inBlocks.has(value);
  }

  private single(value: Value): boolean {
    return this.uses.get(value) === 1;
  }

  private newValue(shape: readonly number[]): Value {
    return { id: this.nextId--, shape: [...shape], dtype: 'float32' };
  }

  /** Takes a node out again whose result nobody else reads. */
  private drop(value: Value): void {
    const node = this.producer.get(value);
    if (node) this.kept.delete(node);
  }

  /** Handles the node if it is one that can be joined. */
  private fused(node: GraphNode): boolean {
    const [a, b] = node.inputs;
    switch (node.op) {
      case 'Multiply':
      case 'Add':
        return this.joined(node, a!, b!) || this.joined(node, b!, a!);
      case 'Sub':
        return this.isMap(a!) && this.isVector(b!, a!) && this.subtracted(node, a!, b!);
      case 'Relu':
      case 'Relu6':
        return this.rectify(node, a!, node.op);
      case 'Sum':
      case 'Mean':
        return this.summed(node, a!);
      default:
        return false;
    }
  }

  private joined(node: GraphNode, map: Value, other: Value): boolean {
    if (!this.isMap(map) || !isSameShape(map.shape, node.outputs[0]!.shape)) return false;
    const before = this.single(map) ? this.affine.get(map) : undefined;
    if (this.isVector(other, map)) {
      if (node.op === 'Multiply') return this.put(node, { x: map, scale: other });
      if (!before) return this.put(node, { x: map, shift: other });
      if (before.shift) return false;
      this.drop(map);
      return this.put(node, { ...before, shift: other });
    }
    if (
      node.op !== 'Add' ||
      !before ||
      before.residual ||
      !isSameShape(other.shape, map.shape) ||
      map === other
    )
      return false;
    this.drop(map);
    return this.put(node, { ...before, residual: other });
  }

  private subtracted(node: GraphNode, map: Value, vector: Value): boolean {
    const shift = this.newValue(vector.shape);
    this.emit({ op: 'Neg', inputs: [vector], attributes: {}, outputs: [shift], line: node.line });
    return this.put(node, { x: map, shift });
  }

  private put(node: GraphNode, affine: Affine, activation: AffineAttributes['activation'] = null): boolean {
    const output = node.outputs[0]!;
    const { x, shift, residual } = affine;
    const scale = affine.scale ?? this.ones(x.shape[3]!);
    const given = { scale, ...(shift ? { shift } : {}), ...(residual ? { residual } : {}) };
    const attributes: AffineAttributes = {
      parts: Object.keys(given) as AffineAttributes['parts'],
      activation,
    };
    this.emit({
      op: 'ChannelAffine',
      inputs: [x, ...Object.values(given)],
      attributes: { ...attributes },
      outputs: node.outputs,
      line: node.line,
    });
    if (!activation) this.affine.set(output, { ...affine, scale });
    this.inBlocks.add(output);
    return true;
  }

  private ones(count: number): Value {
    const value = this.newValue([count]);
    this.constants.set(value, new Float32Array(count).fill(1));
    return value;
  }

  private rectify(node: GraphNode, x: Value, activation: 'Relu' | 'Relu6'): boolean {
    const before = this.single(x) ? this.affine.get(x) : undefined;
    if (!before) return false;
    this.drop(x);
    return this.put(node, before, activation);
  }

  private summed(node: GraphNode, map: Value): boolean {
    const axis = node.attributes.axis as number | number[] | undefined;
    if (!this.isMap(map) || !Array.isArray(axis)) return false;
    if (!isSameShape([...axis].sort(), [0, 1, 2])) return false;
    const made = this.producer.get(map);
    const operands = made && this.kept.has(made) && this.single(map) ? this.factors(made) : null;
    if (operands) this.drop(map);
    const count = sizeOf(map.shape) / map.shape[3]!;
    const attributes: ChannelSumAttributes = { factor: node.op === 'Mean' ? 1 / count : 1 };
    this.emit({
      op: 'ChannelSum',
      inputs: operands ?? [map],
      attributes: { ...attributes },
      outputs: node.outputs,
      line: node.line,
    });
    return true;
  }

  /** The two maps whose product the node makes. */
  private factors({ op, inputs }: GraphNode): Value[] | null {
    const [a, b] = op === 'Square' ? [inputs[0], inputs[0]] : op === 'Multiply' ? inputs : [];
    return a && b && this.isMap(a) && this.isMap(b) && isSameShape(a.shape, b.shape) ? [a, b] : null;
  }
}
