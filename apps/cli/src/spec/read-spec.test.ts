/** The specification file: read as YAML or JSON, and the service's complaints placed in it. */
import { describe, expect, it } from 'vitest';
import { faultsInSpec, parseSpec, SpecError } from './read-spec.js';

const SPEC = `# a comparison
dataset: clothes
runs:
  - &base
    name: control
    epocs: 3
    method:
      name: byol
  - <<: *base
    name: accelerated
    rela:
      switch: { kind: static, lambda: 2 }
`;

describe('a job specification', () => {
  it('is read as it stands, also where it is JSON', () => {
    const spec = parseSpec('{"dataset": "clothes", "runs": [{"name": "a", "epochs": 3}]}', 'a.json');
    expect(spec.value).toEqual({ dataset: 'clothes', runs: [{ name: 'a', epochs: 3 }] });
  });

  it('knows the line and column of a field', () => {
    const spec = parseSpec(SPEC, 'a.yaml');
    expect(spec.locate('dataset')).toEqual({ line: 2, column: 1 });
    expect(spec.locate('runs[0].epocs')).toEqual({ line: 6, column: 5 });
    expect(spec.locate('runs[1].rela.switch.lambda')).toEqual({ line: 12, column: 31 });
  });

  it('places a field that is missing at what it is missing in', () => {
    const spec = parseSpec(SPEC, 'a.yaml');
    expect(spec.locate('runs[0].method.momentum')).toEqual(spec.locate('runs[0].method'));
    expect(spec.locate('')).toEqual({ line: 2, column: 1 });
    expect(parseSpec('', 'a.yaml').locate('runs')).toEqual({ line: 1, column: 1 });
  });

  it('gives every complaint its line', () => {
    const spec = parseSpec(SPEC, 'a.yaml');
    const error = faultsInSpec(spec, [{ field: 'runs[0].epocs', message: 'there is no such field' }], null);
    expect(error.message).toBe('a.yaml:6:5  runs[0].epocs: there is no such field');
  });

  it('knows the place of an axis of a matrix, whose name is a path', () => {
    const spec = parseSpec('matrix:\n  seed: [1]\n  optimizer.learningRate: [0.1,\n    0.2]\n', 'a.yaml');
    expect(spec.locate('matrix.optimizer.learningRate[1]')).toEqual({ line: 4, column: 5 });
    expect(spec.locate('matrix.optimizer.momentum[1]')).toEqual(spec.locate('matrix'));
  });

  it('that is not YAML is refused with the line', () => {
    expect(() => parseSpec('dataset: a\nruns: [\n', 'a.yaml')).toThrow(SpecError);
    expect(() => parseSpec('dataset: a\ndataset: b\n', 'a.yaml')).toThrow(/^a\.yaml:2:1 {2}/);
  });
});
