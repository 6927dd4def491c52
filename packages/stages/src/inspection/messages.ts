/** What passes between the service and the process that inspects one model. */
import type { ProblemError } from '@rela/contracts';
import type { InspectedPrior, InspectOptions } from '@rela/prior';

export interface InspectionWork {
  /** The ONNX file, and where the model goes where it has to be stored otherwise than it came. */
  model: string;
  target: string;
  options: InspectOptions;
}

export type InspectionReply =
  | { kind: 'inspected'; inspected: Omit<InspectedPrior, 'model'>; isRewritten: boolean }
  | { kind: 'refused'; reason: string; errors: ProblemError['errors'] | null };
