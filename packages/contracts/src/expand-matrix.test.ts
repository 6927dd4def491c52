/** The matrix of a job: which runs it makes, what they are called, and what is refused by which field. */
import { describe, expect, it } from 'vitest';
import { expandMatrix } from './expand-matrix.js';
import { JobCreate } from './job.js';
import { ProblemError } from './problem.js';

const accelerated = { name: 'accelerated', method: { name: 'byol' }, rela: {} };
const control = { name: 'control', method: { name: 'byol' } };
const job = (matrix: object, runs: object[] = [accelerated, control]) => ({ dataset: 'd', runs, matrix });

const made = (matrix: object, runs?: object[]) => JobCreate.parse(expandMatrix(job(matrix, runs)).value).runs;
const names = (matrix: object, runs?: object[]) => made(matrix, runs).map(({ name }) => name);

function faults(value: unknown) {
  try {
    expandMatrix(value);
  } catch (error) {
    if (error instanceof ProblemError) return error.errors!;
    throw error;
  }
  return [];
}

describe('every combination is a run of each run', () => {
  it('in the order of the axes, with its values in its name; without ReLA not once a prior', () => {
    const runs = made({ seed: [1, 2], prior: ['teacher', 'random'], dataRatio: [0.5, 1] });
    expect(runs.map(({ name }) => name)).toEqual([
      'accelerated seed=1 prior=teacher ratio=0.5',
      'accelerated seed=1 prior=teacher ratio=1',
      'accelerated seed=1 prior=random ratio=0.5',
      'accelerated seed=1 prior=random ratio=1',
      'accelerated seed=2 prior=teacher ratio=0.5',
      'accelerated seed=2 prior=teacher ratio=1',
      'accelerated seed=2 prior=random ratio=0.5',
      'accelerated seed=2 prior=random ratio=1',
      'control seed=1 ratio=0.5',
      'control seed=1 ratio=1',
      'control seed=2 ratio=0.5',
      'control seed=2 ratio=1',
    ]);
    expect(runs[2]).toMatchObject({ seed: 1, prior: 'random', dataRatio: 0.5 });
    expect(runs[8]).toMatchObject({ seed: 1, dataRatio: 0.5, rela: null });
    expect(runs[8]).not.toHaveProperty('prior');
  });

  it('of any field by its path, as if it had been typed: what is not said keeps its default', () => {
    const [slow, fast] = made({ 'optimizer.learningRate': [0.1, 0.2], 'optimizer.name': ['lars'] }, [
      control,
    ]);
    expect(slow).toMatchObject({
      name: 'control learningRate=0.1 optimizer=lars',
      optimizer: { name: 'lars', learningRate: 0.1 },
    });
    expect(fast!.optimizer).toMatchObject({ name: 'lars', learningRate: 0.2 });
    expect(slow!.optimizer).not.toHaveProperty('beta1');
    const [preset] = made({ 'rela.transport': ['fixed'] }, [{ ...accelerated, rela: 'recommended' }]);
    expect(preset!.rela).toMatchObject({ transport: 'fixed', switch: { kind: 'static', lambda: 0.15 } });
  });

  it('named by the names of what has them, by their number where there is none, no two alike', () => {
    expect(names({ method: [{ name: 'byol' }, { name: 'simclr' }] }, [control])).toEqual([
      'control method=byol',
      'control method=simclr',
    ]);
    const decays = [
      { learningRate: 0.1 },
      { learningRate: 0.2 },
      { name: 'sgd' },
      { name: 'sgd', momentum: 0 },
    ];
    expect(names({ optimizer: decays }, [control])).toEqual([
      'control optimizer=1',
      'control optimizer=2',
      'control optimizer=sgd-3',
      'control optimizer=sgd-4',
    ]);
    expect(names({ prior: [`sha256:${'ab'.repeat(32)}`] }, [accelerated])).toEqual([
      'accelerated prior=abababababab',
    ]);
  });

  it('with and without ReLA by an axis of its own', () => {
    expect(names({ rela: [null, 'faithful'], prior: ['teacher', 'random'] }, [control])).toEqual([
      'control rela=none',
      'control rela=faithful prior=teacher',
      'control rela=faithful prior=random',
    ]);
  });

  it('without those that are excluded, and with those that are included', () => {
    const matrix = {
      ...{ seed: [1, 2], dataRatio: [0.5, 1] },
      exclude: [
        { run: 'control', dataRatio: 0.5 },
        { seed: 2, dataRatio: 1 },
      ],
      include: [{ run: 'accelerated', seed: 7, epochs: 300 }],
    };
    expect(names(matrix)).toEqual([
      'accelerated seed=1 ratio=0.5',
      'accelerated seed=1 ratio=1',
      'accelerated seed=2 ratio=0.5',
      'accelerated seed=7 epochs=300',
      'control seed=1 ratio=1',
    ]);
  });

  it('and a request without a matrix is what it was', () => {
    const { matrix: _, ...plain } = job({});
    expect(expandMatrix(plain).value).toBe(plain);
  });
});

describe('what does not fit is named', () => {
  it.each([
    ['matrix.sede', { sede: [1] }, 'did you mean "seed"'],
    ['matrix.optimizer.learnRate', { 'optimizer.learnRate': [1] }, 'did you mean "learningRate"'],
    ['matrix.seed.x', { 'seed.x': [1] }, 'no field "x" of "seed" of a run'],
    ['matrix.constructor.prototype', { 'constructor.prototype': [1] }, 'no field "constructor"'],
    ['matrix.name', { name: ['a'] }, 'is made of the values'],
    ['matrix.seed[2]', { seed: [1, 2, 1] }, 'is the same as matrix.seed[0]'],
    ['matrix', {}, 'has no axis'],
    ['matrix.exclude[0].sed', { seed: [1], exclude: [{ sed: 1 }] }, 'did you mean "seed"'],
    ['matrix.exclude[0].seed', { seed: [1], exclude: [{ seed: 3 }] }, 'is no value of its axis'],
    ['matrix.exclude', { seed: [1], exclude: [{ seed: 1 }] }, 'leaves no run'],
    ['matrix.exclude[0].run', { seed: [1], exclude: [{ run: 'contrl' }] }, 'did you mean "control"'],
    ['matrix.include[0]', { seed: [1], include: [{ seed: 1 }] }, 'is there already'],
    ['matrix.include[0].sede', { seed: [1], include: [{ sede: 1 }] }, 'did you mean "seed"'],
    ['matrix', { seed: [...Array(33).keys()] }, 'makes 66 runs, and a job may have 64'],
    [
      'matrix',
      { seed: [...Array(101).keys()], epochs: [1, 2, 3, 4, 5] },
      'has 1010 combinations, and a job may have 64 runs',
    ],
  ])('%s', (field, matrix, message) => {
    const [first] = faults(job(matrix));
    expect(first).toMatchObject({ field, message: expect.stringContaining(message) });
  });

  it('an axis without a value, by the validation', () => {
    const { value } = expandMatrix(job({ seed: [] }));
    const issue = JobCreate.safeParse(value).error!.issues[0]!;
    expect([issue.path, issue.message]).toEqual([
      ['matrix', 'seed'],
      expect.stringContaining('has no value'),
    ]);
  });

  it('a matrix of no runs', () => {
    expect(faults(job({ seed: [1] }, []))[0]).toMatchObject({ field: 'matrix' });
  });

  it('values that no run can have, however strange they are', () => {
    const strange = { toString: null, valueOf: null };
    for (const run of [strange, 3, null])
      expect(faults(job({ seed: [1], exclude: [{ run }] }))[0]).toMatchObject({
        field: 'matrix.exclude[0].run',
      });
    const deep = JSON.parse('['.repeat(100_000) + ']'.repeat(100_000));
    expect(faults(job({ seed: [deep, deep] }))[0]).toMatchObject({ field: 'matrix' });
    const { value } = expandMatrix(job({ seed: [1] }, [{ method: { name: 'byol' } }]));
    expect(JobCreate.safeParse(value).error!.issues[0]!.path).toEqual(['runs', 0, 'name']);
    const odd = expandMatrix(job({ seed: [1] }, [{ ...control, name: strange }])).value;
    expect(JobCreate.safeParse(odd).error!.issues[0]!.path).toEqual(['runs', 0, 'name']);
  });

  it('two runs that an axis makes alike, defaults counted', () => {
    const twice = [
      { ...control, seed: 3 },
      { ...control, name: 'other', epochs: 100, seed: 4 },
    ];
    expect(faults(job({ seed: [1, 2] }, twice))).toEqual([
      {
        field: 'runs[1]',
        message: 'becomes "other seed=1", which is the same run as "control seed=1"; leave one of them out',
      },
    ]);
  });
});

it('places what is wrong with a run where it was written, and says it once', () => {
  const { placed } = expandMatrix(
    job({ seed: [1, 2], method: [{ name: 'byol' }, { name: 'mae' }] }, [control, accelerated]),
  );
  const fields = [
    'runs[1].method.maskRatio',
    'runs[3].method.maskRatio',
    'runs[4].rela.switch',
    'runs[5].seed',
  ];
  const problem = new ProblemError(
    'invalid-request',
    'The job cannot run. A lot.',
    fields.map((field) => ({ field, message: `is wrong, see runs[4].epochs` })),
  );
  expect(placed(problem)).toMatchObject({
    errors: [
      { field: 'matrix.method[1].maskRatio', message: 'is wrong, see runs[1].epochs' },
      { field: 'runs[1].rela.switch', message: 'is wrong, see runs[1].epochs' },
      { field: 'matrix.seed[0]', message: 'is wrong, see runs[1].epochs' },
    ],
    detail: expect.stringMatching(/^The job cannot run\. matrix\.method\[1\]\.maskRatio: is wrong/),
  });
});

it('leaves the runs as they were that it multiplies', () => {
  const base = { ...control, optimizer: { name: 'lars', learningRate: 1 } };
  const runs = made({ 'optimizer.learningRate': [0.1, 0.2] }, [base]);
  expect(runs.map(({ optimizer }) => optimizer.learningRate)).toEqual([0.1, 0.2]);
  expect(base.optimizer.learningRate).toBe(1);
});
