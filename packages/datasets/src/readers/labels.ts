/** Labels as sources write them, numbers or names, to the numbers that training takes. */
import { nearest, ProblemError } from '@rela/contracts';

/** More classes than any benchmark has; beyond, a column of ids was taken for labels. */
export const MAX_CLASSES = 100_000;
/** How data sets of the Hugging Face hub say "no label". */
const UNLABELLED = -1;

export class Labels {
  readonly #numberOf = new Map<string, number>();
  #kind: 'unknown' | 'numbered' | 'named';

  /** @param names by label, where they are known beforehand: others are refused */
  constructor(private readonly names?: readonly string[]) {
    for (const [number, name] of names?.entries() ?? []) this.#numberOf.set(name, number);
    this.#kind = names ? 'named' : 'unknown';
  }

  /** For labels that were all seen before: by number where each is one, else by name, in the order of the names by code unit. */
  static of(seen: ReadonlySet<string>, names: readonly string[] | undefined): Labels {
    if (names || [...seen].every(isNumber)) return new Labels(names);
    return new Labels([...seen].sort());
  }

  /** Counts as numbered where nothing else is said: for sources whose labels are known to be there before the first is read. */
  asNumbered(): this {
    if (this.#kind === 'unknown') this.#kind = 'numbered';
    return this;
  }

  get classes(): string[] | 'numbered' | null {
    if (this.#kind === 'unknown') return null;
    return this.#kind === 'numbered' ? 'numbered' : [...this.#numberOf.keys()];
  }

  /**
   * The label's number; null where there is none. Names that were not known beforehand are numbered in the order of their coming.
   * @param where names the image
   * @throws ProblemError `invalid-data` where it is no label, or none of the known ones
   */
  number(label: string | number | bigint | null | undefined, where: string): number | null {
    if (label === null || label === undefined || label === '' || Number(label) === UNLABELLED) return null;
    if (typeof label === 'string') {
      const known = this.#numberOf.get(label);
      if (known !== undefined) return known;
    }
    const number = typeof label === 'string' && !isNumber(label) ? null : Number(label);
    if (number === null) return this.#named(String(label), where);
    if (!Number.isInteger(number) || number < 0 || number >= MAX_CLASSES)
      throw new ProblemError(
        'invalid-data',
        `${where} has the label ${label}; labels are whole numbers from 0 to ${MAX_CLASSES - 1}, or names.`,
      );
    if (this.names) {
      if (number < this.names.length) return number;
      throw new ProblemError(
        'invalid-data',
        `${where} has the label ${number}, and there are names for ${this.names.length} classes.`,
      );
    }
    return this.#kind === 'named' ? this.#named(String(label), where) : this.#numbered(number);
  }

  #numbered(number: number): number {
    this.#kind = 'numbered';
    return number;
  }

  #named(name: string, where: string): number {
    if (this.#kind === 'numbered')
      throw new ProblemError(
        'invalid-data',
        `${where} has the label "${name}", and the labels before it are numbers. Write all of them as numbers, or all as names.`,
      );
    if (this.names) {
      const meant = nearest(name, this.names);
      throw new ProblemError(
        'invalid-data',
        `${where} has the label "${name}", which is none of the ${this.names.length} classes${meant ? `; did you mean "${meant}"?` : '.'}`,
      );
    }
    if (this.#numberOf.size >= MAX_CLASSES)
      throw new ProblemError(
        'invalid-data',
        `There are more than ${MAX_CLASSES} different labels at ${where}.`,
      );
    this.#kind = 'named';
    const number = this.#numberOf.size;
    this.#numberOf.set(name, number);
    return number;
  }
}

function isNumber(label: string): boolean {
  return /^\d{1,15}$/.test(label);
}
