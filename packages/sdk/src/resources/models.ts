/** Models: downloads a trained backbone. */
import { download } from '../download.js';
import type { RequestOptions, Transport } from '../transport.js';

export class ModelsApi {
  constructor(private readonly transport: Transport) {}

  /**
   * Writes the ONNX file to `path`; the file appears there whole or not at all.
   * @returns its size in bytes
   * @throws RelaConnectionError where the download broke off, or its sha256 differs, three times in a row
   */
  download(digest: string, path: string, options: RequestOptions = {}): Promise<number> {
    return download(this.transport, 'v1/models', { digest, path }, options);
  }
}
