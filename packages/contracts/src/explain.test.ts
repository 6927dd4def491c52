import { expect, it } from 'vitest';
import { z } from 'zod';
import { explainIssues } from './explain.js';
import { JobCreate } from './job.js';

const schema = z.toJSONSchema(JobCreate, { io: 'input' }) as { [key: string]: unknown };
const run = { name: 'a', method: { name: 'byol' } };
function faults(input: unknown) {
  const parsed = JobCreate.safeParse(input);
  return parsed.success ? [] : explainIssues(parsed.error.issues, input, schema);
}

it('names a misspelled field and the nearest valid one, however deep it lies', () => {
  expect(faults({ dataset: 'd', runs: [{ ...run, dataRatoi: 0.5 }] })).toEqual([
    { field: 'runs[0].dataRatoi', message: 'there is no field "dataRatoi"; did you mean "dataRatio"?' },
  ]);
  expect(faults({ dataset: 'd', runs: [{ ...run, rela: { transprt: 'fixed' } }] })[0]?.message).toContain(
    '"transport"',
  );
});

it('names the nearest valid value of a choice', () => {
  const [fault] = faults({ dataset: 'd', runs: [{ ...run, backbone: { name: 'resnet81' } }] });
  expect(fault?.field).toBe('runs[0].backbone.name');
  expect(fault?.message).toContain('did you mean "resnet18"');
});

it('names the presets to who misspells one, and the fields to who writes ReLA out', () => {
  expect(faults({ dataset: 'd', runs: [{ ...run, rela: 'recomended' }] })).toEqual([
    {
      field: 'runs[0].rela',
      message: '"recomended" is not valid; did you mean "recommended"? Valid: faithful, recommended',
    },
  ]);
  const [fault] = faults({ dataset: 'd', runs: [{ ...run, rela: { switch: { kind: 'statik' } } }] });
  expect(fault?.field).toBe('runs[0].rela.switch.kind');
});

it('refuses a data ratio of 0 and of 1.5 by field', () => {
  for (const dataRatio of [0, 1.5]) {
    const [fault] = faults({ dataset: 'd', runs: [{ ...run, dataRatio }] });
    expect(fault?.field).toBe('runs[0].dataRatio');
    expect(fault?.message).toContain(String(dataRatio));
  }
});

it('says that a field is missing', () => {
  expect(faults({ runs: [run] })).toEqual([{ field: 'dataset', message: 'is missing; it has to be string' }]);
});

it('names the nearest method where the name of a method is misspelled', () => {
  const [fault] = faults({ dataset: 'd', runs: [{ name: 'a', method: { name: 'boyl' } }] });
  expect(fault?.field).toBe('runs[0].method.name');
  expect(fault?.message).toContain('byol');
});

it('names the nearest optimizer where its name is misspelled, and takes AdamW where there is none', () => {
  const withOptimizer = (optimizer: object) => faults({ dataset: 'd', runs: [{ ...run, optimizer }] });
  expect(withOptimizer({ name: 'sdg' })).toEqual([
    {
      field: 'runs[0].optimizer.name',
      message: '"sdg" is not valid; did you mean "sgd"? Valid: adamw, sgd, lars',
    },
  ]);
  expect(withOptimizer({ learningRate: 0.1, momentum: 0.9 })[0]?.field).toBe('runs[0].optimizer.momentum');
  expect(withOptimizer({ learningRate: 0.1 })).toEqual([]);
});

it('refuses a clip of 0, a budget without a bound, and an init that names nothing or two things', () => {
  const fieldsOf = (more: object) =>
    faults({ dataset: 'd', runs: [{ ...run, ...more }] }).map(({ field }) => field);
  expect(fieldsOf({ clip: { norm: 0 } })).toEqual(['runs[0].clip.norm']);
  expect(fieldsOf({ budget: {} })).toEqual(['runs[0].budget']);
  expect(fieldsOf({ budget: { steps: 0 } })).toEqual(['runs[0].budget.steps']);
  expect(fieldsOf({ init: {} })).toEqual(['runs[0].init']);
  expect(fieldsOf({ init: { run: 'run_1', artifact: `sha256:${'0'.repeat(64)}` } })).toEqual([
    'runs[0].init',
  ]);
});

it('does not repeat the password of an address: refusals are logged', () => {
  const [fault] = faults({
    dataset: 'd',
    runs: [{ ...run, name: '~ https://me:pass@word@example.com/?a=@' }],
  });
  expect(fault?.message).toContain('https://…@example.com/?a=@');
});
