/**
 * The thread of one ONNX Runtime session. `run` of onnxruntime-node blocks the thread that calls it, seconds for a batch of a
 * large prior: on the main thread that would cost a worker its lease. JavaScript, not TypeScript, because a thread starts from
 * a file as it is, in `src` under the tests as in `dist`.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { env, InferenceSession, Tensor } from 'onnxruntime-node';

/** @import { RunRequest, SessionReply, SessionSettings, TensorDescription } from './session-messages.js' */

const port = parentPort;
if (port === null) throw new Error('session-thread.js runs as a worker thread only.');

/** @type {SessionSettings} */
const { model, threads, optimization = 'all', saveTo } = workerData;

/** @param {SessionReply} message @param {ArrayBuffer[]} [transfer] */
const reply = (message, transfer = []) => port.postMessage(message, transfer);

/** @param {unknown} error */
const reasonOf = (error) => (error instanceof Error ? error.message : String(error));

/**
 * @param {readonly InferenceSession.ValueMetadata[]} values
 * @returns {TensorDescription[]}
 */
const describe = (values) =>
  values.map((value) =>
    value.isTensor
      ? { name: value.name, type: value.type, shape: [...value.shape] }
      : { name: value.name, type: null, shape: [] },
  );

/** @type {InferenceSession.SessionOptions} */
const options = {
  executionProviders: ['cpu'],
  intraOpNumThreads: threads,
  interOpNumThreads: 1,
  graphOptimizationLevel: optimization,
  ...(saveTo === undefined ? {} : { optimizedModelFilePath: saveTo }),
  // What fails comes back as an error; it need not stand in the log as well.
  logSeverityLevel: 4,
  // Threads that spin between two batches would take the processor from decoding and preprocessing.
  extra: { session: { force_spinning_stop: '1' } },
};

/** @param {InferenceSession} session @param {RunRequest} request */
async function run(session, { id, input, output, data, dims }) {
  try {
    const tensor =
      data instanceof Uint8Array ? new Tensor('uint8', data, dims) : new Tensor('float32', data, dims);
    const result = (await session.run({ [input]: tensor }, [output]))[output];
    if (!result || !(result.data instanceof Float32Array)) {
      reply({ kind: 'failed', id, reason: `output ${output} is ${result?.type ?? 'absent'}, not float32` });
      return;
    }
    // A copy: memory of ONNX Runtime itself cannot be handed to another thread.
    const rows = new Float32Array(result.data);
    const shape = [...result.dims];
    reply({ kind: 'ran', id, data: rows, dims: shape, input: data }, [
      rows.buffer,
      /** @type {ArrayBuffer} */ (data.buffer),
    ]);
  } catch (error) {
    reply({ kind: 'failed', id, reason: reasonOf(error) });
  }
}

try {
  const session = await (typeof model === 'string'
    ? InferenceSession.create(model, options)
    : InferenceSession.create(model, options));
  port.on('message', (request) => run(session, request));
  reply({
    kind: 'ready',
    inputs: describe(session.inputMetadata),
    outputs: describe(session.outputMetadata),
  });
} catch (error) {
  reply({ kind: 'refused', reason: `ONNX Runtime ${env.versions.node} says: ${reasonOf(error)}` });
}
