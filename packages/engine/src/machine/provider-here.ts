/** Whether one of ONNX Runtime's execution providers runs a graph here. */
import { float } from '../onnx/model.js';
import { writeModel } from '../onnx/write.js';
import type { Provider } from '../running/provider.js';
import { type Answer, askChild } from './child.js';

/** y = HardSigmoid(x): 0.5·x + 0.25, so that an empty answer is not taken for a right one. */
const MODEL = writeModel({
  name: 'here',
  nodes: [
    {
      op: 'HardSigmoid',
      domain: '',
      inputs: ['x'],
      outputs: ['y'],
      attributes: { alpha: float(0.5), beta: float(0.25) },
      line: 'the probe',
    },
  ],
  initializers: new Map(),
  inputs: [{ name: 'x', dtype: 'float32', dims: [1] }],
  outputs: [{ name: 'y', dtype: 'float32', dims: [1] }],
  metadata: {},
});

const RUNS = `
const ort = require('onnxruntime-node');
const model = Buffer.from(given.model, 'base64');
const session = await ort.InferenceSession.create(model, { executionProviders: [given.provider], logSeverityLevel: 3 });
const { y } = await session.run({ x: new ort.Tensor('float32', Float32Array.of(1), [1]) });
if (Math.abs(y.data[0] - 0.75) > 1e-3) throw new Error('it computes ' + y.data[0] + ' where 0.75 is right');
return true;`;

const asked = new Map<Provider, Promise<Answer<true>>>();

/** A child process finds out, once. */
export function providerHere(provider: Provider): Promise<Answer<true>> {
  const known = asked.get(provider);
  if (known) return known;
  const given = { provider, model: Buffer.from(MODEL).toString('base64') };
  const answer = askChild<true>({ code: RUNS, given });
  asked.set(provider, answer);
  return answer;
}
