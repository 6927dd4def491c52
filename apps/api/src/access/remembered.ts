/** Answers that are kept for a few seconds, so that a client that asks a hundred times a second is looked up once. */

/** What came to nothing is not kept: nobody fills the memory with guesses. */
export class Remembered<T> {
  readonly #known = new Map<string, { value: Promise<T | null>; until: number }>();

  constructor(
    private readonly look: (key: string) => Promise<T | null>,
    private readonly options: { milliseconds: number; most: number },
  ) {}

  async get(key: string): Promise<T | null> {
    const now = performance.now();
    const known = this.#known.get(key);
    if (known && known.until > now) return known.value;
    if (this.#known.size >= this.options.most) this.#known.clear();
    const entry = { value: this.look(key), until: now + this.options.milliseconds };
    this.#known.set(key, entry);
    const drop = () => {
      if (this.#known.get(key) === entry) this.#known.delete(key);
    };
    entry.value.then((value) => {
      if (value === null) drop();
    }, drop);
    return entry.value;
  }

  /** @param key null: all of them */
  forget(key: string | null): void {
    if (key === null) this.#known.clear();
    else this.#known.delete(key);
  }
}
