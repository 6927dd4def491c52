/** A bucket: objects by key, through the AWS SDK. Errors say which bucket at which server did not do what was asked. */
import type { Readable } from 'node:stream';
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { ProblemError } from '@rela/contracts';
import type { S3Address } from './s3-address.js';

const CONNECT_MS = 5_000;
const MEBIBYTE = 1024 ** 2;
const MAX_PARTS = 10_000;
/** One that was changed this short a time ago counts as used now: an upload is often written again at once. */
const FRESH_MS = 10 * 60 * 1000;

/** All methods throw ProblemError `unavailable` where the server does not answer or refuses. */
export class S3Bucket {
  readonly #client: S3Client;
  /** What the server's last answer said of the time, and when that came by performance.now(). Null before the first one. */
  #said: { time: number; at: number } | null = null;

  /** @param setting where a person says which server it is */
  constructor(
    private readonly address: Omit<S3Address, 'prefix'>,
    private readonly setting = 'STORAGE_URL',
  ) {
    this.#client = new S3Client({
      region: address.region ?? 'us-east-1',
      ...(address.endpoint === undefined ? {} : { endpoint: address.endpoint }),
      forcePathStyle: address.pathStyle,
      requestHandler: { connectionTimeout: CONNECT_MS },
      // sha256 is checked here in any case, and servers other than Amazon's do not all know the newer checksums.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    });
    this.#client.middlewareStack.add(
      (next) => async (args) => {
        const answer = await next(args);
        const { headers } = answer.response as { headers?: Record<string, string> };
        const time = Date.parse(headers?.date ?? '');
        if (!Number.isNaN(time)) this.#said = { time, at: performance.now() };
        return answer;
      },
      { step: 'deserialize', name: 'serverTime', priority: 'low' },
    );
  }

  /** The server's time, in milliseconds since 1970; asked for by looking at any key. */
  async now(key: string): Promise<number> {
    await this.#head(key);
    return this.#lastSaid();
  }

  #lastSaid(): number {
    return this.#said ? this.#said.time + performance.now() - this.#said.at : Date.now();
  }

  async has(key: string): Promise<boolean> {
    return (await this.size(key)) !== null;
  }

  /** Bytes of an object; null where there is no such object. */
  async size(key: string): Promise<number | null> {
    return (await this.#head(key))?.bytes ?? null;
  }

  /** Milliseconds since 1970; null where there is no such object. */
  async changedAt(key: string): Promise<number | null> {
    return (await this.#head(key))?.changedAt ?? null;
  }

  async #head(key: string): Promise<{ bytes: number; changedAt: number } | null> {
    try {
      const { ContentLength, LastModified } = await this.#client.send(
        new HeadObjectCommand(this.#object(key)),
      );
      return { bytes: ContentLength ?? 0, changedAt: LastModified?.getTime() ?? Date.now() };
    } catch (error) {
      if (isMissing(error)) return null;
      throw this.#problem(error);
    }
  }

  /** Sets the time of the object's last change to now, unless that was a moment ago. @returns false where there is no such object */
  async touch(key: string): Promise<boolean> {
    const changedAt = await this.changedAt(key);
    if (changedAt === null) return false;
    if (this.#lastSaid() - changedAt < FRESH_MS) return true;
    try {
      const CopySource = encodeURI(`${this.address.bucket}/${key}`);
      // An object is copied onto itself only where something about it changes.
      const Metadata = { 'used-at': new Date(this.#lastSaid()).toISOString() };
      await this.#client.send(
        new CopyObjectCommand({ ...this.#object(key), CopySource, Metadata, MetadataDirective: 'REPLACE' }),
      );
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw this.#problem(error);
    }
  }

  /** Every object whose key starts with `prefix`, however deep. Page by page. */
  async *listAll(prefix: string): AsyncGenerator<{ key: string; bytes: number; changedAt: number }> {
    let page: string | undefined;
    do {
      const command = new ListObjectsV2Command({
        ...{ Bucket: this.address.bucket, Prefix: prefix, ContinuationToken: page },
      });
      const listed = await this.#answer(this.#client.send(command));
      for (const { Key, Size, LastModified } of listed.Contents ?? [])
        if (Key !== undefined)
          yield { key: Key, bytes: Size ?? 0, changedAt: LastModified?.getTime() ?? Date.now() };
      page = listed.NextContinuationToken;
    } while (page !== undefined);
  }

  /** Keys that start with `prefix`, up to the next "/": objects, and each folder once. Page by page. */
  async *list(prefix: string): AsyncGenerator<{ key: string; kind: 'object' | 'folder' }> {
    let page: string | undefined;
    do {
      const command = new ListObjectsV2Command({
        Bucket: this.address.bucket,
        Prefix: prefix,
        Delimiter: '/',
        ContinuationToken: page,
      });
      const listed = await this.#answer(this.#client.send(command));
      for (const { Prefix } of listed.CommonPrefixes ?? [])
        if (Prefix !== undefined) yield { key: Prefix, kind: 'folder' };
      for (const { Key } of listed.Contents ?? []) if (Key !== undefined) yield { key: Key, kind: 'object' };
      page = listed.NextContinuationToken;
    } while (page !== undefined);
  }

  /** The object's bytes, or those from `start` to `end` (exclusive); null where there is no such object. */
  async get(
    key: string,
    range?: { start: number; end: number },
  ): Promise<{ bytes: number; body: AsyncIterable<Uint8Array> } | null> {
    try {
      const command = new GetObjectCommand({
        ...this.#object(key),
        ...(range ? { Range: `bytes=${range.start}-${range.end - 1}` } : {}),
      });
      const { Body, ContentLength } = await this.#client.send(command);
      // The SDK's type covers browsers too; on Node the body is a Readable.
      return Body ? { bytes: ContentLength ?? 0, body: Body as Readable } : null;
    } catch (error) {
      if (isMissing(error)) return null;
      throw this.#problem(error);
    }
  }

  async put(key: string, text: string): Promise<void> {
    await this.#answer(this.#client.send(new PutObjectCommand({ ...this.#object(key), Body: text })));
  }

  async remove(key: string): Promise<void> {
    await this.#answer(this.#client.send(new DeleteObjectCommand(this.#object(key))));
  }

  /** In parts where it is large; visible as a whole or not at all. */
  async upload(key: string, bytes: number, body: Readable, signal?: AbortSignal): Promise<void> {
    const upload = new Upload({
      client: this.#client,
      params: { ...this.#object(key), Body: body },
      partSize: Math.max(8 * MEBIBYTE, Math.ceil(bytes / MAX_PARTS)),
      queueSize: 2,
    });
    const abort = () => upload.abort();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      await upload.done();
    } catch (error) {
      signal?.throwIfAborted();
      throw this.#problem(error);
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  #object(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.address.bucket, Key: key };
  }

  async #answer<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      throw this.#problem(error);
    }
  }

  #problem(error: unknown): ProblemError {
    const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return new ProblemError(
      'unavailable',
      `The bucket ${this.address.bucket} at ${this.address.endpoint ?? 'Amazon S3'} does not do what was asked (${reason}). Look at ${this.setting}, at the credentials, and whether the bucket exists.`,
      undefined,
      { cause: error },
    );
  }
}

function isMissing(error: unknown): boolean {
  if (!(error instanceof S3ServiceException) || error.name === 'NoSuchBucket') return false;
  return error.name === 'NoSuchKey' || error.name === 'NotFound' || error.$metadata.httpStatusCode === 404;
}
