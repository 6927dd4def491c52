/**
 * Randomness that depends on nothing but its keys: the same (seed, epoch, image, view) gives the same numbers on every
 * worker, in whatever order they are drawn. And the subset of the images that an epoch trains on.
 */
import { type Block, type Key, philox4x32 } from './philox.js';
import { portion } from './portion.js';

/** A stream of random numbers. Drawing from it never changes a fork, and forking never changes it. */
export interface Random {
  /** Uniform over [0, 1), 53 random bits. */
  next(): number;
  /** Standard normal. */
  normal(): number;
  /** Uniform over 0 … n − 1, for an integer n from 1 to 2³². @throws RangeError for another n. */
  int(n: number): number;
  /** The numbers 0 … count − 1 in random order. */
  permutation(count: number): Uint32Array;
  /** An independent stream, decided by this stream's keys and `keys` alone. */
  fork(...keys: (number | string)[]): Random;
}

// The last word of a counter says what the block is for, so that no fold ever repeats a draw.
const DRAW = 0;
const FOLD_NUMBER = 1;
const FOLD_TEXT = 2;
const BYTES_A_BLOCK = 8;

/** The stream named by `seed` and `keys`, for example `createRandom(seed, 'view', epoch, image, 1)`. @throws RangeError for a key that is not a finite number. */
export function createRandom(seed: number, ...keys: (number | string)[]): Random {
  return new PhiloxRandom([seed, ...keys].reduce<Key>(fold, [0, 0]));
}

/** The key of a child: as in JAX's `fold_in`, the generator applied to the name under the parent's key. */
function fold(key: Key, name: number | string): Key {
  if (typeof name === 'number') return foldNumber(key, name);
  const bytes = new TextEncoder().encode(name);
  let folded = key;
  // A text of n bytes takes ⌊n / 8⌋ + 1 blocks, so that the empty text counts too.
  for (let offset = 0; offset <= bytes.length; offset += BYTES_A_BLOCK) {
    const view = new DataView(new ArrayBuffer(BYTES_A_BLOCK));
    bytes.subarray(offset, offset + BYTES_A_BLOCK).forEach((byte, index) => {
      view.setUint8(index, byte);
    });
    folded = foldWords(folded, view, bytes.length, FOLD_TEXT);
  }
  return folded;
}

function foldNumber(key: Key, name: number): Key {
  if (!Number.isFinite(name)) throw new RangeError(`A random stream's key is ${name}; it has to be finite.`);
  const view = new DataView(new ArrayBuffer(BYTES_A_BLOCK));
  view.setFloat64(0, name + 0, true); // + 0: minus zero is zero
  return foldWords(key, view, 0, FOLD_NUMBER);
}

function foldWords(key: Key, words: DataView, length: number, purpose: number): Key {
  const block: Block = [words.getUint32(0, true), words.getUint32(4, true), length, purpose];
  philox4x32(block, key, block);
  return [block[0], block[1]];
}

class PhiloxRandom implements Random {
  readonly #key: Key;
  #drawn = 0;
  readonly #words: Block = [0, 0, 0, 0];
  #spare: number | null = null;

  constructor(key: Key) {
    this.#key = key;
  }

  next(): number {
    // One block of four words serves two draws.
    const second = this.#drawn % 2 === 1;
    if (!second) {
      const block = this.#drawn / 2;
      philox4x32([block >>> 0, Math.floor(block / 2 ** 32), 0, DRAW], this.#key, this.#words);
    }
    this.#drawn++;
    const high = second ? this.#words[2] : this.#words[0];
    const low = second ? this.#words[3] : this.#words[1];
    return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
  }

  normal(): number {
    if (this.#spare !== null) {
      const spare = this.#spare;
      this.#spare = null;
      return spare;
    }
    // Box and Muller (1958); 1 − next() is never 0. V8's log, sin and cos are its own port of fdlibm, equal on all machines.
    const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
    const angle = 2 * Math.PI * this.next();
    this.#spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  int(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > 2 ** 32)
      throw new RangeError(`int(${n}): n has to be an integer from 1 to 2³².`);
    // The bias of scaling 53 bits is below n / 2⁵³, at most 2⁻²¹.
    return Math.floor(this.next() * n);
  }

  permutation(count: number): Uint32Array {
    return shuffleHead(count, count, this);
  }

  fork(...keys: (number | string)[]): Random {
    return new PhiloxRandom(keys.reduce<Key>(fold, this.#key));
  }
}

/** How many images an epoch trains on: ⌊ratio·count⌋. */
export function subsetSize(options: { count: number; ratio: number }): number {
  return portion(options.ratio, options.count);
}

/**
 * The images of an epoch: a fresh uniform random subset of ⌊ratio·count⌋ of them, in random order (method.md section 2,
 * data ratio). Memory: the permutation, 4 bytes an image, and nothing else; the result is its head.
 * @returns indices below `count`, no two equal
 */
export function epochSubset(options: {
  seed: number;
  epoch: number;
  count: number;
  ratio: number;
}): Uint32Array {
  const random = createRandom(options.seed, 'epoch', options.epoch);
  const size = subsetSize(options);
  return shuffleHead(options.count, size, random).subarray(0, size);
}

/** 0 … count − 1, of which the first `size` are a random choice in random order: Fisher and Yates, stopped there. */
function shuffleHead(count: number, size: number, random: Random): Uint32Array {
  const indices = new Uint32Array(count);
  for (let index = 0; index < count; index++) indices[index] = index;
  for (let index = 0; index < size; index++) {
    const other = index + random.int(count - index);
    const swapped = indices[index]!;
    indices[index] = indices[other]!;
    indices[other] = swapped;
  }
  return indices;
}
