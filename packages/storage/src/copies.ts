/** Local copies of remote artifacts, bounded by bytes: what was used least recently goes first. */

import type { FolderStore } from './folder-store.js';

/** Nobody opens a path later than this after asking for it; younger copies stay even above the bound. */
const IN_USE_MS = 10 * 60 * 1000;

export class Copies {
  #trimming: Promise<void> | null = null;

  constructor(
    readonly folder: FolderStore,
    private readonly maxBytes: number,
    private readonly inUseMs = IN_USE_MS,
  ) {}

  /** Path of the copy, marked as used now; null where there is none. */
  async find(digest: string): Promise<string | null> {
    return (await this.folder.touch(digest)) ? this.folder.pathOf(digest) : null;
  }

  /** Removes copies until the rest fits. Calls that overlap share one sweep. */
  async trim(): Promise<void> {
    this.#trimming ??= this.#sweep().finally(() => {
      this.#trimming = null;
    });
    await this.#trimming;
  }

  async #sweep(): Promise<void> {
    const copies = [];
    let total = 0;
    for await (const copy of this.folder.list()) {
      copies.push(copy);
      total += copy.bytes;
    }
    const oldestInUse = (await this.folder.now()) - this.inUseMs;
    copies.sort((one, other) => one.usedAt - other.usedAt);
    for (const copy of copies) {
      if (total <= this.maxBytes || copy.usedAt > oldestInUse) return;
      await this.folder.remove(copy.digest);
      total -= copy.bytes;
    }
  }
}
