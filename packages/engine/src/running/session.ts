/** Opens a model in ONNX Runtime, and says in the user's terms where it refuses one. */
import '../no-telemetry.js';
import * as ort from 'onnxruntime-node';
import { EngineError } from '../errors.js';
import type { OnnxModel } from '../onnx/model.js';
import { writeModel } from '../onnx/write.js';
import type { Provider } from './provider.js';

export interface SessionOptions {
  /** Of one run; all processors where absent. */
  threads?: number;
  /**
   * True where ONNX Runtime's own passes have nothing to add: with blocked convolutions they find nothing to fuse, and take a
   * quarter of the compilation.
   */
  finished: boolean;
  /** What runs the graph. Default: the CPU. */
  provider?: Provider;
  /** Names of outputs that stay on the provider's device. */
  onDevice?: readonly string[];
  /** Names of nodes that the processor runs although the provider would take them. */
  offDevice?: readonly string[];
}

function executionProvider({ provider = 'cpu', offDevice = [] }: SessionOptions) {
  return provider === 'webgpu' && offDevice.length > 0
    ? { name: provider, forceCpuNodeNames: offDevice }
    : provider;
}

/**
 * @param model bytes: as `writeModel` gives them; errors are then ONNX Runtime's own
 * @throws EngineError `unsupported-op` naming the op and the user's line, where ONNX Runtime names a node
 */
export async function openSession(
  model: OnnxModel | Uint8Array,
  options: SessionOptions,
): Promise<ort.InferenceSession> {
  const { threads, finished, onDevice = [] } = options;
  const locations = onDevice.map((name) => [name, 'gpu-buffer' as const] as const);
  try {
    return await ort.InferenceSession.create(model instanceof Uint8Array ? model : writeModel(model), {
      ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
      executionProviders: [executionProvider(options)],
      ...(locations.length === 0 ? {} : { preferredOutputLocation: Object.fromEntries(locations) }),
      // Parallel execution is 2.4 times slower on a training step (engine.md).
      executionMode: 'sequential',
      // One block planned for all tensors of a run takes a third more memory than the arena's pieces, and no less time.
      enableMemPattern: false,
      graphOptimizationLevel: finished ? 'disabled' : 'all',
      logSeverityLevel: 3,
    });
  } catch (error) {
    throw model instanceof Uint8Array ? error : inTermsOf(model, error);
  }
}

/** An error of ONNX Runtime's by the op and the user's line, where it names a node. */
export function inTermsOf(model: OnnxModel, error: unknown): unknown {
  const reason = error instanceof Error ? error.message : String(error);
  // The writer numbers its nodes: Exp_12 is the twelfth.
  const node = model.nodes[Number(/(?:node ?\(|Name:')\w*?_(\d+)[_')]/i.exec(reason)?.[1] ?? -1)];
  if (!node) return error;
  return new EngineError(
    'unsupported-op',
    `ONNX Runtime refuses ${node.op}, which the call at ${node.line} became: ${reason}`,
    { cause: error },
  );
}
