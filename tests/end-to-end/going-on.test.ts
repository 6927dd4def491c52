/** Runs that begin with what others have trained: for longer, from their weights; and models that a run hands out. */
import { type Job, relaPresets } from '@rela/contracts';
import { RelaApiError } from '@rela/sdk';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { rela } from '../rela.js';
import { addRandomPrior, addShapes, shortRun, startService, type TestService } from '../service.js';

let service: TestService;
let finished: string;
const accelerated = { rela: { switch: { kind: 'static' as const, lambda: 0 } } };

beforeAll(async () => {
  service = await startService();
  await addShapes(service, 'shapes', 136);
  await addRandomPrior(service, 'random');
  finished = await runOf(await submit(shortRun('a', { ...accelerated, epochs: 1 })));
});
afterAll(() => service?.close());

const submit = (run: ReturnType<typeof shortRun>) =>
  service.client.jobs.create({ dataset: 'shapes', ...(run.rela ? { prior: 'random' } : {}), runs: [run] });

/** The run of a job, once it has succeeded. */
async function runOf({ id }: Pick<Job, 'id'>): Promise<string> {
  const job = await service.client.jobs.wait(id);
  expect(job).toMatchObject({ status: 'succeeded', error: null });
  return job.runs[0]!.id;
}
const resultOf = async (id: string) => (await service.client.runs.get(id)).result!;

async function fieldsRefused(run: ReturnType<typeof shortRun>) {
  const error: unknown = await submit(run).catch((reason) => reason);
  if (!(error instanceof RelaApiError)) throw new Error(`Expected a problem, got ${String(error)}`);
  return error.problem.errors!.map(({ field, message }) => `${field}: ${message}`);
}

it('a finished run goes on by one command, and gives the model of the longer run', async () => {
  const { code, stdout } = await rela(
    ...['--home', service.service.home, '--json', 'runs', 'continue', finished, '--epochs', '2'],
  );
  expect(code).toBe(0);
  const continued = await runOf(JSON.parse(stdout) as Job);
  const whole = await runOf(await submit(shortRun('b', { ...accelerated, epochs: 2 })));
  expect(await resultOf(continued)).toMatchObject({ steps: 8, endedBy: 'epochs' });
  expect((await resultOf(continued)).model).toBe((await resultOf(whole)).model);
  const { items } = await service.client.runs.metrics(continued);
  expect(items.map(({ step }) => step)).toEqual([5, 6, 7, 8]);
  // And once more, from a run that went on itself.
  const again = shortRun('c', { ...accelerated, epochs: 3, continueFrom: continued });
  expect(await resultOf(await runOf(await submit(again)))).toMatchObject({ steps: 12 });
});

it('a run keeps its targets beside the method, by name or written out, and goes on with them', async () => {
  const named = await runOf(await submit(shortRun('named', { rela: 'recommended', epochs: 1 })));
  const { spec, result } = await service.client.runs.get(named);
  expect(spec.rela).toEqual(relaPresets.recommended);
  expect(result!.switchStep).toBe(1);
  const rela = { ...relaPresets.recommended, switch: { kind: 'static' as const, lambda: 0.5 } };
  const written = await runOf(await submit(shortRun('written', { rela, epochs: 2 })));
  const { items } = await service.client.runs.metrics(written);
  expect(items.map(({ phase }) => phase)).toEqual([...Array(4).fill('rela'), ...Array(4).fill('method')]);
  const longer = shortRun('longer', { rela, epochs: 3, continueFrom: written });
  expect(await resultOf(await runOf(await submit(longer)))).toMatchObject({ steps: 12, switchStep: 5 });
});

it('what cannot go on is refused by the field that is in the way', async () => {
  const going = { ...accelerated, epochs: 2, continueFrom: finished };
  expect(await fieldsRefused(shortRun('a', { ...going, batchSize: 16 }))).toEqual([
    expect.stringMatching(/^runs\[0\]\.batchSize: is another than in run .*, which has 32/),
  ]);
  expect(await fieldsRefused(shortRun('a', { ...going, continueFrom: 'run_nobody' }))).toEqual([
    expect.stringMatching(/^runs\[0\]\.continueFrom: there is no run "run_nobody"/),
  ]);
  expect(await fieldsRefused(shortRun('a', { ...going, epochs: 1 }))).toEqual([
    expect.stringMatching(/^runs\[0\]\.epochs: .*give more/),
  ]);
});

it("a run starts from another's weights, and is refused those of another backbone before it is accepted", async () => {
  const started = shortRun('warm', { init: { run: finished }, budget: { steps: 1 } });
  const cold = shortRun('cold', { budget: { steps: 1 } });
  const [warm, other] = [await runOf(await submit(started)), await runOf(await submit(cold))];
  expect(await resultOf(warm)).toMatchObject({ steps: 1, endedBy: 'steps' });
  expect((await resultOf(warm)).finalLoss).not.toBe((await resultOf(other)).finalLoss);
  const mobile = { backbone: { name: 'mobilenet-v2' as const } };
  expect(await fieldsRefused(shortRun('x', { ...mobile, init: { run: finished } }))).toEqual([
    expect.stringMatching(/^runs\[0\]\.init: does not fit.*"features\.0\.0\.weight" is missing/),
  ]);
  const { digest } = await service.client.artifacts.upload(Buffer.from('no tensors at all'));
  expect(await fieldsRefused(shortRun('x', { init: { artifact: digest } }))).toEqual([
    expect.stringMatching(/^runs\[0\]\.init\.artifact: .*damaged/),
  ]);
});

it('the best and the last model are to be had, and the result says which one it is', async () => {
  const looking = shortRun('looks', { validation: { fraction: 0.3 }, return: 'best' });
  const result = await resultOf(await runOf(await submit(looking)));
  expect(result.returned).toBe('best');
  expect(result.validations).toHaveLength(2);
  expect(result.model).toBe(result.best!.model);
  for (const digest of [result.best!.model, result.lastModel!])
    expect(
      await service.client.models.download(digest, `${service.folder}/${digest.slice(-8)}.onnx`),
    ).toBeGreaterThan(1000);
});
