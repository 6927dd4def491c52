/** Einstein sums with gradients. tf.einsum has none, and its equations are recorded as one op that nothing can be made of. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { tf } from '../tf.js';

interface Operand {
  tensor: Tensor;
  /** A letter an axis. */
  letters: string;
}

/**
 * Sums of products after an equation such as 'bij,bjk->bik', for any number of operands, two at a time from the left. Every
 * pair is one product of matrices between transposes and reshapes, whose gradients TF.js has.
 *
 * @throws RangeError for an equation without '->', with '...', with a letter twice in one operand, or that does not fit the tensors
 */
export function einsum(equation: string, ...tensors: Tensor[]): Tensor {
  const { operands, result } = parse(equation, tensors);
  const [first, ...rest] = operands as [Operand, ...Operand[]];
  const joined = rest.reduce((left, right, at) => {
    const later = rest.slice(at + 1).map(({ letters }) => letters);
    return contract(left, right, [result, ...later].join(''));
  }, first);
  const { tensor, letters } = summedTo(joined, result);
  return tf.transpose(
    tensor,
    [...result].map((letter) => letters.indexOf(letter)),
  );
}

function parse(equation: string, tensors: readonly Tensor[]): { operands: Operand[]; result: string } {
  const refuse = (why: string) =>
    new RangeError(`ops.einsum: ${why} in '${equation}'. Write one letter an axis, as in 'bij,bjk->bik'.`);
  const [left, result, ...others] = equation.replace(/\s/g, '').split('->');
  if (left === undefined || result === undefined || others.length > 0) throw refuse("there is not one '->'");
  const terms = left.split(',');
  if (terms.length !== tensors.length)
    throw refuse(`${terms.length} operands are named and ${tensors.length} given`);
  const sides = new Map<string, number>();
  for (const [at, letters] of terms.entries()) {
    if (!/^[a-zA-Z]*$/.test(letters)) throw refuse(`'${letters}' is not made of letters`);
    if (new Set(letters).size !== letters.length) throw refuse(`a letter stands twice in '${letters}'`);
    const { shape } = tensors[at]!;
    if (shape.length !== letters.length) throw refuse(`'${letters}' is said of a tensor of shape [${shape}]`);
    for (const [axis, letter] of [...letters].entries()) {
      const known = sides.get(letter) ?? shape[axis]!;
      if (known !== shape[axis]) throw refuse(`'${letter}' is ${known} and ${shape[axis]}`);
      sides.set(letter, known);
    }
  }
  if (new Set(result).size !== result.length) throw refuse(`a letter stands twice in '${result}'`);
  const unknown = [...result].find((letter) => !sides.has(letter));
  if (unknown !== undefined) throw refuse(`'${unknown}' is in the result alone`);
  return { operands: terms.map((letters, at) => ({ letters, tensor: tensors[at]! })), result };
}

/** Without the axes that nobody needs. */
function summedTo({ tensor, letters }: Operand, needed: string): Operand {
  const gone = [...letters].flatMap((letter, axis) => (needed.includes(letter) ? [] : [axis]));
  if (gone.length === 0) return { tensor, letters };
  return {
    tensor: tf.sum(tensor, gone),
    letters: [...letters].filter((letter) => needed.includes(letter)).join(''),
  };
}

/** Two operands as one product of matrices [shared, left, summed] · [shared, summed, right]. */
function contract(left: Operand, right: Operand, needed: string): Operand {
  const a = summedTo(left, needed + right.letters);
  const b = summedTo(right, needed + left.letters);
  const both = [...a.letters].filter((letter) => b.letters.includes(letter));
  const shared = both.filter((letter) => needed.includes(letter));
  const summed = both.filter((letter) => !needed.includes(letter));
  const ofLeft = [...a.letters].filter((letter) => !both.includes(letter));
  const ofRight = [...b.letters].filter((letter) => !both.includes(letter));
  const sideOf = (letter: string) => {
    const { tensor, letters } = a.letters.includes(letter) ? a : b;
    return tensor.shape[letters.indexOf(letter)]!;
  };
  const size = (letters: readonly string[]) =>
    letters.reduce((product, letter) => product * sideOf(letter), 1);
  const matrix = ({ tensor, letters }: Operand, groups: string[][]) =>
    tf.reshape(
      tf.transpose(
        tensor,
        groups.flat().map((letter) => letters.indexOf(letter)),
      ),
      groups.map(size),
    );
  const product = tf.matMul(matrix(a, [shared, ofLeft, summed]), matrix(b, [shared, summed, ofRight]));
  const made = [...shared, ...ofLeft, ...ofRight];
  return { tensor: tf.reshape(product, made.map(sideOf)), letters: made.join('') };
}
