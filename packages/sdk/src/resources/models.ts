/** Models: downloads a trained backbone and checks that the bytes are those that were asked for. */
import { downloadFile } from '../download.js';
import type { RequestOptions, Transport } from '../transport.js';

export class ModelsApi {
  constructor(private readonly transport: Transport) {}

  /**
   * Writes the ONNX file to `path`; the file appears there whole or not at all.
   * @returns its size in bytes
   * @throws RelaConnectionError where the download broke off, or its sha256 differs, three times in a row
   */
  download(digest: string, path: string, options: RequestOptions = {}): Promise<number> {
    const from = `v1/models/${encodeURIComponent(digest)}`;
    return downloadFile(this.transport, { digest, path: from }, path, options);
  }
}
