import { createEngine } from '@rela/engine';
import { createTrainingPlan } from '@rela/learning';
import { Training } from '@rela/contracts';
const phase = process.argv[2] ?? 'method';
const training = Training.parse({ method: { name: 'byol' }, batchSize: 128, rela: phase === 'rela' ? {} : null });
const t0 = performance.now();
const plan = createTrainingPlan({ training, image: { size: 28, channels: 1 }, classes: 10, k: phase === 'rela' ? 128 : null });
const engine = await createEngine({ engine: 'compiled', threads: 2 });
const specs = plan.batchSpecs(phase);
const step = await engine.compile(plan.step(phase), plan.initialState(), specs);
console.log('compile', Math.round(performance.now() - t0), 'ms; GFLOP', step.flops / 1e9);
const batch = Object.fromEntries(Object.entries(specs).map(([k, s]) => { const n = s.shape.reduce((a, b) => a * b, 1); return [k, { ...s, data: s.dtype === 'int32' ? Int32Array.from({ length: n }, (_, i) => i % 10) : Float32Array.from({ length: n }, () => Math.random() * 2 - 1) }]; }));
const times = [];
for (let i = 1; i <= 8; i++) { const t = performance.now(); const m = await step.run({ ...batch, ...plan.scalars(i) }); times.push(performance.now() - t); if (i === 8) console.log(m.loss.data[0]); }
console.log(times.map(Math.round).join(' '), 'GFLOP/s', step.flops / 1e6 / times.sort((a, b) => a - b)[3], 'rss', Math.round(process.memoryUsage().rss / 1e6), 'MB');
