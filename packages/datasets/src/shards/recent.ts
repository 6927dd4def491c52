/** Things that are opened when needed; of those open, the least recently used is closed when there are too many. */

export class Recent<T> {
  /** In the order of their last use. */
  readonly #open = new Map<number, Promise<T>>();

  constructor(
    private readonly most: number,
    private readonly open: (number: number) => Promise<T>,
    private readonly closeOne: (opened: T) => Promise<void>,
  ) {}

  /** The thing of that number, opened if need be. It is to be used at once, not after another `get`. */
  async get(number: number): Promise<T> {
    const held = this.#open.get(number) ?? this.open(number);
    this.#open.delete(number);
    this.#open.set(number, held);
    try {
      const opened = await held;
      if (this.#open.size > this.most) await this.#closeOldest();
      return opened;
    } catch (error) {
      this.#open.delete(number);
      throw error;
    }
  }

  async close(): Promise<void> {
    while (this.#open.size > 0) await this.#closeOldest();
  }

  async #closeOldest(): Promise<void> {
    const [number, held] = this.#open.entries().next().value!;
    this.#open.delete(number);
    await this.closeOne(await held);
  }
}
