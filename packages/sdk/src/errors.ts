/** What the client throws: the service said no (with its problem), or the service was not reached. */
import { Problem } from '@rela/contracts';

/** The service answered with a problem; `problem` is its RFC 9457 body. */
export class RelaApiError extends Error {
  override readonly name = 'RelaApiError';
  readonly status: number;
  readonly code: Problem['code'];

  constructor(
    readonly problem: Problem,
    /** Seconds that the service asked to wait, where it did. */
    readonly retryAfterSeconds: number | null = null,
  ) {
    super(problem.detail);
    this.status = problem.status;
    this.code = problem.code;
  }
}

/** The service did not answer, or broke off in the middle of its answer. */
export class RelaConnectionError extends Error {
  override readonly name = 'RelaConnectionError';
  readonly code = 'connection-failed';
}

/** The problem in a failed response; something between client and service may have answered with another body. */
export async function readProblem(response: Response): Promise<RelaApiError> {
  const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN);
  const text = await response.text();
  const parsed = Problem.safeParse(parseJson(text));
  const problem: Problem = parsed.success
    ? parsed.data
    : {
        type: 'about:blank',
        title: response.statusText || 'The request failed',
        status: response.status,
        code: response.status === 503 ? 'unavailable' : 'internal',
        detail: `${response.url} answered ${response.status} without a problem document. Check that the address is that of a ReLA service.`,
      };
  return new RelaApiError(problem, Number.isFinite(retryAfter) ? retryAfter : null);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
