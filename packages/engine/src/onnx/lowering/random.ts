/**
 * Random numbers by key and counter (`ops/random.ts`) as Philox in 64-bit words: ONNX Runtime multiplies int64 and shifts uint64, and
 * the product of two 32-bit words fits into either.
 */
import { MULTIPLIERS, ROUNDS, WEYL } from '../../ops/philox.js';
import { COUNTER_UNIFORM, UNIFORM_BITS } from '../../ops/random.js';
import { sizeOf } from '../../tensors.js';
import { int, string } from '../model.js';
import { type Context, cast, define, input, type Lowering, output } from './context.js';

const WORD = 0xffffffffn;

/** What Philox needs of arithmetic, on tensors of 32-bit words in int64. */
class Words {
  private readonly mask: string;

  constructor(private readonly context: Context) {
    this.mask = this.constant(WORD);
  }

  constant(value: bigint): string {
    return this.context.builder.constant({ dtype: 'int64', dims: [], data: BigInt64Array.of(value) });
  }

  low(name: string): string {
    return this.context.builder.emit('BitwiseAnd', [name, this.mask]);
  }

  /** The bits above the lowest `bits` of a word, or of a product of two. */
  above(name: string, bits: number): string {
    const { builder } = this.context;
    const shift = cast(this.context, this.constant(BigInt(bits)), 'uint64');
    const unsigned = cast(this.context, name, 'uint64');
    const shifted = builder.emit('BitShift', [unsigned, shift], { direction: string('RIGHT') });
    return cast(this.context, shifted, 'int64');
  }

  multiply(name: string, factor: number): { high: string; low: string } {
    const product = this.context.builder.emit('Mul', [name, this.constant(BigInt(factor))]);
    return { high: this.above(product, 32), low: this.low(product) };
  }

  add(name: string, summand: bigint): string {
    return this.low(this.context.builder.emit('Add', [name, this.constant(summand)]));
  }

  xor(...names: [string, ...string[]]): string {
    return names.reduce((all, name) => this.context.builder.emit('BitwiseXor', [all, name]));
  }

  /** Word `index` of an int32 pair. */
  of(pair: string, index: number): string {
    const wide = cast(this.context, pair, 'int64');
    return this.low(
      this.context.builder.emit('Gather', [wide, this.constant(BigInt(index))], { axis: int(0) }),
    );
  }
}

const counterUniform: Lowering = (node, context) => {
  const { builder, forms } = context;
  const words = new Words(context);
  const [key, counter] = [input(node, 0), input(node, 1)].map((value) => forms.use(value));
  const { shape } = output(node);
  const size = sizeOf(shape);
  const blocks = Math.ceil(size / 4);
  const numbers = BigInt64Array.from({ length: blocks }, (_, block) => BigInt(block));
  let [x0, x1, x2, x3] = [
    builder.constant({ dtype: 'int64', dims: [blocks], data: numbers }),
    words.constant(0n),
    words.of(counter!, 0),
    words.of(counter!, 1),
  ];
  let [k0, k1] = [words.of(key!, 0), words.of(key!, 1)];
  for (let round = 0; round < ROUNDS; round++) {
    const first = words.multiply(x0, MULTIPLIERS[0]);
    const second = words.multiply(x2, MULTIPLIERS[1]);
    [x0, x1, x2, x3] = [words.xor(second.high, x1, k0), second.low, words.xor(first.high, x3, k1), first.low];
    k0 = words.add(k0, BigInt(WEYL[0]));
    k1 = words.add(k1, BigInt(WEYL[1]));
  }
  const columns = [x0, x1, x2, x3].map((name) => builder.emit('Reshape', [name, builder.ints([blocks, 1])]));
  const all = builder.emit('Reshape', [
    builder.emit('Concat', columns, { axis: int(1) }),
    builder.ints([4 * blocks]),
  ]);
  const cut =
    size === 4 * blocks
      ? all
      : builder.emit('Slice', [all, builder.ints([0]), builder.ints([size]), builder.ints([0])]);
  const high = cast(context, words.above(cut, 32 - UNIFORM_BITS), 'float32');
  const scaled = builder.emit('Mul', [high, builder.scalar(2 ** -UNIFORM_BITS)]);
  define(context, node, builder.emit('Reshape', [scaled, builder.ints(shape)]));
};

export const RANDOM: Record<string, Lowering> = { [COUNTER_UNIFORM]: counterUniform };
