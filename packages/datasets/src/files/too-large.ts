import { ProblemError } from '@rela/contracts';

export function tooLarge(path: string, most: number): ProblemError {
  return new ProblemError('invalid-data', `${path} has more than the ${most} bytes that are read.`);
}
