/** Answers what is not HTTP at all, or comes too slowly: before there is a request there is only a socket. */
import type { Socket } from 'node:net';
import { ProblemError } from '@rela/contracts';
import { PROBLEM_TYPE } from './problems.js';

const reasons: Record<string, { status: string; detail: string }> = {
  HPE_HEADER_OVERFLOW: {
    status: '431 Request Header Fields Too Large',
    detail: 'The headers of the request are too large.',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: '408 Request Timeout',
    detail: 'The request did not arrive in time.',
  },
};
const malformed = { status: '400 Bad Request', detail: 'The request is not valid HTTP.' };

export function answerMalformedHttp(
  error: Error & { code?: string; rawPacket?: unknown },
  socket: Socket,
): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  const { status, detail } = reasons[error.code ?? ''] ?? malformed;
  const problem = {
    ...new ProblemError('invalid-request', detail).toProblem(),
    status: Number.parseInt(status, 10),
  };
  const text = JSON.stringify(problem);
  // The answer to HEAD has none: its client would take one for the next answer.
  const { rawPacket } = error;
  const isHead = Buffer.isBuffer(rawPacket) && rawPacket.subarray(0, 5).toString() === 'HEAD ';
  const body = isHead ? '' : text;
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: ${PROBLEM_TYPE}\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
