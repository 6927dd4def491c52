// Sends one request as it is drawn, past every client that would mend it, and says what is wrong with the answer.
import { Agent, request } from 'node:http';

/** Far beyond what any route takes: what is not answered by then hangs. */
const PATIENCE_MS = 60_000;
const STACK = /\bat [^\n]*\.[cm]?[jt]s:\d+|node_modules|PrismaClient|SQLSTATE/;

/** Sent in full by its length: without one the rest of a GET would be another request. */
const framed = (headers, body) =>
  body === null ? headers : { ...headers, 'content-length': String(Buffer.byteLength(body)) };

export const agent = new Agent({ keepAlive: true, maxSockets: 8 });

/** @returns {Promise<{ status: number, type: string, text: string }>} a stream of events is left after its first piece */
function answerTo(port, { method, path, headers, body }) {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        ...{ host: '127.0.0.1', port, method, path, agent, timeout: PATIENCE_MS },
        headers: framed(headers, body),
      },
      (answer) => {
        const type = answer.headers['content-type'] ?? '';
        const pieces = [];
        const done = () =>
          resolve({ status: answer.statusCode, type, text: Buffer.concat(pieces).toString() });
        answer.on('data', (piece) => {
          pieces.push(piece);
          if (!type.startsWith('text/event-stream')) return;
          done();
          answer.destroy();
        });
        answer.on('end', done);
        answer.on('error', reject);
      },
    );
    sent.on('timeout', () => sent.destroy(new Error(`was not answered within ${PATIENCE_MS / 1000} s`)));
    sent.on('error', reject);
    sent.end(body ?? undefined);
  });
}

/** Readiness says so by 503 where a part is slow: on a busy machine that is the answer. */
const isNotReady = ({ status, text }, path) =>
  status === 503 && path.startsWith('/readyz') && text.includes('"unavailable"');

/** @returns what is wrong with an answer; null: nothing */
function faultOf(answer, { method, path }) {
  const { status, type, text } = answer;
  if (isNotReady(answer, path)) return null;
  if (status >= 500) return `was answered with ${status}: ${text.slice(0, 500)}`;
  if (status < 400 || method === 'HEAD') return null;
  if (!type.startsWith('application/problem+json')) return `got ${status} as "${type}", which is no problem`;
  const { code, detail } = JSON.parse(text);
  if (!code || !detail) return `got a problem without ${code ? 'a detail' : 'a code'}`;
  return STACK.test(text) ? `was told how the service is made: ${text.slice(0, 500)}` : null;
}

/** @returns {Promise<{ status: number | null, fault: string | null }>} */
export async function send(port, drawn) {
  try {
    const answer = await answerTo(port, drawn);
    return { status: answer.status, fault: faultOf(answer, drawn) };
  } catch (error) {
    // The server may close on a body that is too large while it is being sent; it has answered before, or it has not.
    const isCut =
      (error.code === 'ECONNRESET' || error.code === 'EPIPE') && (drawn.body?.length ?? 0) > 1024 ** 2;
    return { status: null, fault: isCut ? null : `got no answer: ${error.message}` };
  }
}
