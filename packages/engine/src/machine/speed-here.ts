/** How a device's matrix products compare with the processor's, since a GPU that answers need not be the faster one. */
import { writeModel } from '../onnx/write.js';
import type { DeviceProvider } from '../running/provider.js';
import { type Answer, askChild } from './child.js';

/** Products in a row, of [n, n] matrices; 17 GFLOP in all by default, so that what a call costs does not decide. */
const PRODUCTS = 8;
const SIDE = 1024;
/** Of the largest number. Providers may multiply in reduced precision. */
const TOLERANCE = 1e-2;

/** y = x·w·w·…·w */
function modelOf(side: number): Uint8Array {
  const matrix = (name: string) => ({ name, dtype: 'float32' as const, dims: [side, side] });
  return writeModel({
    name: 'products',
    nodes: Array.from({ length: PRODUCTS }, (_, at) => ({
      op: 'MatMul',
      domain: '',
      inputs: [at === 0 ? 'x' : `y${at - 1}`, 'w'],
      outputs: [at === PRODUCTS - 1 ? 'y' : `y${at}`],
      attributes: {},
      line: 'the probe',
    })),
    initializers: new Map(),
    inputs: [matrix('x'), matrix('w')],
    outputs: [matrix('y')],
    metadata: {},
  });
}

/** The first run is not timed: the device compiles its programs in it. */
const TIMES = `
const ort = require('onnxruntime-node');
const { side, tolerance, provider } = given;
const matrix = (scale) => new ort.Tensor('float32', Float32Array.from({ length: side * side }, (_, at) => ((at * 7919) % 1009 / 1009 - 0.5) * scale), [side, side]);
const feeds = { x: matrix(1), w: matrix(3.4 / Math.sqrt(side)) };
const timed = async (provider) => {
  const session = await ort.InferenceSession.create(Buffer.from(given.model, 'base64'), { executionProviders: [provider], logSeverityLevel: 3 });
  const { y } = await session.run(feeds);
  let seconds = Infinity;
  for (let round = 0; round < 3; round++) {
    const began = performance.now();
    await session.run(feeds);
    seconds = Math.min(seconds, (performance.now() - began) / 1000);
  }
  await session.release();
  return { y: y.data, seconds };
};
const [ours, theirs] = [await timed(provider), await timed('cpu')];
let [worst, largest] = [0, 0];
for (let at = 0; at < theirs.y.length; at++) {
  const off = Math.abs(ours.y[at] - theirs.y[at]);
  worst = Number.isNaN(off) ? Infinity : Math.max(worst, off);
  largest = Math.max(largest, Math.abs(theirs.y[at]));
}
if (!(worst <= tolerance * largest)) throw new Error('its matrix products are not those of the processor');
return ours.seconds / theirs.seconds;`;

const asked = new Map<string, Promise<Answer<number>>>();

/** The device's time over the processor's, measured once in a child process. */
export function speedHere(provider: DeviceProvider, side = SIDE): Promise<Answer<number>> {
  const key = `${provider} ${side}`;
  const known = asked.get(key);
  if (known) return known;
  const model = Buffer.from(modelOf(side)).toString('base64');
  const answer = askChild<number>({ code: TIMES, given: { provider, side, tolerance: TOLERANCE, model } });
  asked.set(key, answer);
  return answer;
}
