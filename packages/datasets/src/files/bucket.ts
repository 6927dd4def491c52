/** What reading needs of a bucket; who ingests brings one. */
export interface Bucket {
  /** Keys that start with `prefix`, up to the next "/": objects, and then each folder once. Page by page. */
  list(prefix: string): AsyncIterable<{ key: string; kind: 'object' | 'folder' }>;
  /** Bytes of an object; null where there is none. */
  size(key: string): Promise<number | null>;
  /** An object, or its bytes `start` to `end` (exclusive); null where there is none. */
  get(
    key: string,
    range?: { start: number; end: number },
  ): Promise<{ body: AsyncIterable<Uint8Array> } | null>;
}
