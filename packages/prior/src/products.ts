/** Products of float64 matrices by ONNX Runtime's Gemm: ten times a loop in JavaScript, on its threads, off the caller's. */
// For what it says to ONNX Runtime: that it is to report to nobody.
import '@rela/engine';
import * as ort from 'onnxruntime-node';
import { FIELD } from './onnx/model.js';
import { MessageWriter } from './onnx/wire.js';

export interface Matrix {
  /** [rows, columns], row by row */
  data: Float64Array;
  rows: number;
  columns: number;
}

export interface ProductOptions {
  /** Reads the left matrix as its transpose. */
  transposeLeft?: boolean;
  /** Reads the right matrix as its transpose. */
  transposeRight?: boolean;
  /** Factor of the product, 1. */
  factor?: 1 | -1;
  /** Where the sum or the product goes; absent: a new array. */
  into?: Float64Array;
  /** Adds to what `into` holds instead of replacing it. */
  add?: boolean;
}

const FLOAT64 = 11;
/** AttributeProto: the field of a float, and the type numbers of a float and an integer. */
const ATTRIBUTE = { f: 2, float: 1, integer: 2 };
const OPSET = 17;
const IR_VERSION = 8;

const sessions = new Map<string, Promise<ort.InferenceSession>>();

/**
 * left · right, either of them transposed where asked for.
 * Sums run over the inner dimension in one order, whatever the number of threads.
 * @throws RangeError where the inner dimensions differ
 */
export async function multiply(left: Matrix, right: Matrix, options: ProductOptions = {}): Promise<Matrix> {
  const { transposeLeft = false, transposeRight = false, factor = 1, add = false } = options;
  const [rows, inner] = transposeLeft ? [left.columns, left.rows] : [left.rows, left.columns];
  const [other, columns] = transposeRight ? [right.columns, right.rows] : [right.rows, right.columns];
  if (inner !== other) throw new RangeError(`A product over ${inner} and ${other} values does not exist.`);
  const data = options.into ?? new Float64Array(rows * columns);
  if (rows * columns === 0 || inner === 0) {
    if (!add) data.fill(0);
    return { data, rows, columns };
  }
  const key = `${transposeLeft} ${transposeRight} ${factor} ${add}`;
  let session = sessions.get(key);
  if (!session) {
    session = ort.InferenceSession.create(gemmModel({ transposeLeft, transposeRight, factor, add }), {
      graphOptimizationLevel: 'disabled',
      // Threads that spin between two products would take the processor from the prior.
      extra: { session: { force_spinning_stop: '1' } },
    });
    sessions.set(key, session);
  }
  const result = new ort.Tensor('float64', data, [rows, columns]);
  await (await session).run(
    {
      left: new ort.Tensor('float64', left.data, [left.rows, left.columns]),
      right: new ort.Tensor('float64', right.data, [right.rows, right.columns]),
      // Gemm adds in place where the sum lies where its addend does.
      ...(add ? { addend: result } : {}),
    },
    { product: result },
  );
  return { data, rows, columns };
}

interface GemmForm {
  transposeLeft: boolean;
  transposeRight: boolean;
  factor: number;
  add: boolean;
}

/** product = factor · left · right (+ addend), in float64, of any shape (ONNX operator Gemm). */
function gemmModel({ transposeLeft, transposeRight, factor, add }: GemmForm): Uint8Array {
  const inputs = ['left', 'right', ...(add ? ['addend'] : [])];
  const node = new MessageWriter();
  for (const input of inputs) node.text(FIELD.node.input, input);
  node
    .text(FIELD.node.output, 'product')
    .text(FIELD.node.opType, 'Gemm')
    .message(FIELD.node.attribute, integerAttribute('transA', transposeLeft ? 1 : 0))
    .message(FIELD.node.attribute, integerAttribute('transB', transposeRight ? 1 : 0))
    .message(FIELD.node.attribute, floatAttribute('alpha', factor));
  const graph = new MessageWriter()
    .message(FIELD.graph.node, node.finish())
    .text(FIELD.graph.name, 'product');
  for (const input of inputs) graph.message(FIELD.graph.input, valueInfo(input));
  graph.message(FIELD.graph.output, valueInfo('product'));
  return new MessageWriter()
    .integer(FIELD.model.irVersion, IR_VERSION)
    .message(FIELD.model.graph, graph.finish())
    .message(FIELD.model.opset, new MessageWriter().integer(FIELD.opset.version, OPSET).finish())
    .finish();
}

function valueInfo(name: string): Uint8Array {
  const tensor = new MessageWriter().integer(FIELD.tensorType.elemType, FLOAT64).finish();
  return new MessageWriter()
    .text(FIELD.valueInfo.name, name)
    .message(FIELD.valueInfo.type, new MessageWriter().message(FIELD.type.tensor, tensor).finish())
    .finish();
}

function integerAttribute(name: string, value: number): Uint8Array {
  return new MessageWriter()
    .text(FIELD.attribute.name, name)
    .integer(FIELD.attribute.i, value)
    .integer(FIELD.attribute.type, ATTRIBUTE.integer)
    .finish();
}

function floatAttribute(name: string, value: number): Uint8Array {
  const WIRE_TYPE_32_BIT = 5;
  const field = Buffer.alloc(5);
  field.writeUInt8((ATTRIBUTE.f << 3) | WIRE_TYPE_32_BIT);
  field.writeFloatLE(value, 1);
  return new MessageWriter()
    .text(FIELD.attribute.name, name)
    .raw(field)
    .integer(FIELD.attribute.type, ATTRIBUTE.float)
    .finish();
}
