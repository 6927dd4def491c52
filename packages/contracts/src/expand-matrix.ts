/**
 * Multiplies the runs of a job by its matrix:
 *
 *     runs: [accelerated, control] × { seed: [1, 2], prior: [teacher, random] }
 *       ─▶ "accelerated seed=1 prior=teacher", …, "control seed=1", "control seed=2"
 *
 * It works on the request as it was written, before it is validated: a value goes in as if somebody had typed it. What is wrong with the
 * runs that come out is told in fields of what was written: `matrix.seed[1]`, not `runs[17].seed`.
 */
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { fieldsAt, type JsonSchema, nearest } from './explain.js';
import { type Combination, MAX_RUNS, Matrix } from './matrix.js';
import { titleOf, wordsOf } from './matrix-labels.js';
import { ProblemError } from './problem.js';
import { type RelaPreset, relaPresets } from './rela.js';
import { RunSpec } from './training.js';

/** Looked at before any is excluded. */
const MAX_COMBINATIONS = 1000;
const LESS = 'give fewer values, exclude some, or spread them over several jobs';

type Document = Record<string, unknown>;
interface Fault {
  field: string;
  message: string;
}

/** One field with one value. */
interface Setting {
  axis: string;
  value: unknown;
  /** Where it is written, such as `matrix.seed[1]`. */
  field: string;
  /** Such as `seed=1`. */
  label: string;
}

interface MadeRun {
  run: Document;
  /** Index of the run that it was made of. */
  of: number;
  settings: Setting[];
}

export interface Expanded {
  /** The request without its matrix. */
  value: unknown;
  /** What is wrong with `value`, in terms of the request as it was written. */
  placed(problem: ProblemError): ProblemError;
}

const runSchema = z.toJSONSchema(RunSpec, { io: 'input', unrepresentable: 'any' }) as JsonSchema;

/** Deeper than any field of a run. */
const MAX_DEPTH = 32;

const isDeep = (value: unknown, depth = 0): boolean =>
  typeof value === 'object' &&
  value !== null &&
  (depth > MAX_DEPTH || Object.values(value).some((inner) => isDeep(inner, depth + 1)));

const isDocument = (value: unknown): value is Document =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function refuse(faults: Fault[]): void {
  if (faults.length === 0) return;
  const text = faults.map(({ field, message }) => `${field}: ${message}`).join('. ');
  throw new ProblemError('invalid-request', `The matrix is not valid. ${text}.`, faults);
}

/** Ends a sentence about a name that is none of `valid`. */
function insteadOf(name: string, valid: readonly string[]): string {
  const meant = nearest(name, valid);
  if (meant) return `did you mean "${meant}"?`;
  return valid.length === 0 ? 'there are none' : `there are: ${valid.join(', ')}`;
}

function axisFaults(axis: string, field: string): Fault[] {
  if (axis === 'name') return [{ field, message: 'is made of the values of a run; leave it out' }];
  const path = axis.split('.');
  for (const [depth, part] of path.entries()) {
    const valid = [...new Set(fieldsAt(runSchema, path.slice(0, depth)))];
    const around = depth === 0 ? 'a run' : `"${path.slice(0, depth).join('.')}" of a run`;
    if (!valid.includes(part))
      return [{ field, message: `there is no field "${part}" of ${around}; ${insteadOf(part, valid)}` }];
  }
  return [];
}

/** What is wrong with the matrix as it stands, before anything is made of it. */
function matrixFaults({ exclude = [], include = [], ...axes }: Matrix, runs: readonly Document[]): Fault[] {
  const faults: Fault[] = [];
  const fault = (field: string, message: string) => faults.push({ field, message });
  const all = Object.entries(axes) as [string, unknown[]][];
  if (runs.length === 0) fault('matrix', 'multiplies the runs of the job, and it has none');
  if (all.length === 0 && include.length === 0)
    fault('matrix', 'has no axis: give a field of a run with its values, such as seed: [1, 2, 3]');
  for (const [axis, values] of all) {
    faults.push(...axisFaults(axis, `matrix.${axis}`));
    for (const [index, value] of values.entries()) {
      const first = values.findIndex((other) => isDeepStrictEqual(other, value));
      if (first < index)
        fault(`matrix.${axis}[${index}]`, `is the same as matrix.${axis}[${first}]; give each value once`);
    }
  }
  const names = runs.flatMap(({ name }) => (typeof name === 'string' ? [name] : []));
  for (const [list, combinations] of Object.entries({ exclude, include }))
    for (const [index, combination] of combinations.entries())
      for (const [axis, value] of Object.entries(combination)) {
        const field = `matrix.${list}[${index}].${axis}`;
        const values = all.find(([other]) => other === axis)?.[1];
        if (axis === 'run') {
          const name = typeof value === 'string' ? value : JSON.stringify(value);
          if (!names.includes(name)) fault(field, `there is no run "${name}"; ${insteadOf(name, names)}`);
        } else if (list === 'include') faults.push(...axisFaults(axis, field));
        else if (!values) fault(field, `there is no axis "${axis}"; ${insteadOf(axis, Object.keys(axes))}`);
        else if (!values.some((other) => isDeepStrictEqual(other, value)))
          fault(field, `is no value of its axis, which has ${JSON.stringify(values).slice(0, 200)}`);
      }
  const combinations = all.reduce((product, [, values]) => product * values.length, runs.length);
  if (combinations > MAX_COMBINATIONS)
    fault('matrix', `has ${combinations} combinations, and a job may have ${MAX_RUNS} runs; ${LESS}`);
  return faults;
}

interface Settings {
  /** Every combination of the axes, the first axis slowest. */
  crossed: Setting[][];
  included: { only: unknown; field: string; settings: Setting[] }[];
}

function settingsOf({ exclude: _exclude, include = [], ...axes }: Matrix): Settings {
  const all = Object.entries(axes) as [string, unknown[]][];
  const known = [...new Set([...all.map(([axis]) => axis), ...include.flatMap(Object.keys)])];
  const label = (axis: string, word: string) => `${titleOf(axis, known)}=${word}`;
  const crossed = all.reduce<Setting[][]>(
    (before, [axis, values]) => {
      const words = wordsOf(values);
      const own = values.map((value, index) => ({
        ...{ axis, value, field: `matrix.${axis}[${index}]`, label: label(axis, words[index]!) },
      }));
      return before.flatMap((settings) => own.map((one) => [...settings, one]));
    },
    all.length > 0 ? [[]] : [],
  );
  const included = include.map(({ run: only, ...combination }, index) => {
    const field = `matrix.include[${index}]`;
    const settings = Object.entries(combination).map(([axis, value]) => ({
      ...{ axis, value, field: `${field}.${axis}`, label: label(axis, wordsOf([value])[0]!) },
    }));
    return { only, field, settings };
  });
  return { crossed, included };
}

const has = (settings: readonly Setting[], axis: string, value: unknown): boolean =>
  settings.some((one) => one.axis === axis && isDeepStrictEqual(one.value, value));

const isSame = (a: readonly Setting[], b: readonly Setting[]): boolean =>
  a.length === b.length && a.every(({ axis, value }) => has(b, axis, value));

/** What of the combination means something to the run: without ReLA there is no prior, and nothing to say of how it is used. */
function meant(run: Document, settings: Setting[]): Setting[] {
  const axis = settings.find((one) => one.axis === 'rela');
  if ((axis ? axis.value : run.rela) != null) return settings;
  return settings.filter((one) => one.axis !== 'prior' && !one.axis.startsWith('rela.'));
}

/** Puts the value where its path leads. @returns the field that stands in the way; null where none does */
function put(run: Document, { axis, value }: Setting): string | null {
  const path = axis.split('.');
  const last = path.pop()!;
  let place = run;
  for (const [depth, part] of path.entries()) {
    const written = place[part] ?? {};
    const isPreset = axis.startsWith('rela.') && depth === 0 && typeof written === 'string';
    const inner = isPreset ? (relaPresets[written as RelaPreset] ?? written) : written;
    if (!isDocument(inner)) return path.slice(0, depth + 1).join('.');
    const copy: Document = { ...inner };
    place[part] = copy;
    place = copy;
  }
  place[last] = value;
  return null;
}

function multiply(runs: readonly Document[], matrix: Matrix): { made: MadeRun[]; faults: Fault[] } {
  const { crossed, included } = settingsOf(matrix);
  const faults: Fault[] = [];
  const made: MadeRun[] = [];
  const isExcluded = (run: Document, settings: Setting[]) =>
    (matrix.exclude ?? []).some((wanted: Combination) =>
      Object.entries(wanted).every(([axis, value]) =>
        axis === 'run' ? run.name === value : has(settings, axis, value),
      ),
    );
  const make = (of: number, settings: Setting[]) => {
    const base = runs[of]!;
    // `put` copies what it changes: a thousand runs may share what none of them changes.
    const run = { ...base };
    // What lies deeper goes into what lies around it.
    for (const setting of settings.toSorted((a, b) => a.axis.length - b.axis.length)) {
      const obstacle = put(run, setting);
      if (obstacle !== null)
        faults.push({
          field: setting.field,
          message: `leads into "${obstacle}" of runs[${of}], which has no fields`,
        });
    }
    // One without a name is refused as such.
    if (typeof base.name === 'string')
      run.name = [base.name, ...settings.map(({ label }) => label)].join(' ');
    made.push({ run, of, settings });
  };
  for (const [of, run] of runs.entries()) {
    const own = new Map<string, Setting[]>();
    for (const combination of crossed) {
      const settings = meant(run, combination);
      const key = settings.map(({ field }) => field).join();
      if (own.has(key) || isExcluded(run, settings)) continue;
      own.set(key, settings);
      make(of, settings);
    }
    for (const { only, field, settings: all } of included) {
      if (only !== undefined && only !== run.name) continue;
      const settings = meant(run, all);
      if (![...own.values()].some((other) => isSame(other, settings))) {
        own.set(field, settings);
        make(of, settings);
      } else if (settings.length === all.length)
        faults.push({ field, message: `is there already for run "${run.name}"; leave it out` });
    }
  }
  if (made.length > MAX_RUNS)
    faults.push({
      field: 'matrix',
      message: `makes ${made.length} runs, and a job may have ${MAX_RUNS}; ${LESS}`,
    });
  if (made.length === 0) faults.push({ field: 'matrix.exclude', message: 'leaves no run; leave out less' });
  return { made, faults };
}

/** The first two runs that were different before an axis made them alike. */
function alikeFaults(made: readonly MadeRun[]): Fault[] {
  const parsed = made.map(({ run }) => {
    const { success, data } = RunSpec.safeParse(run);
    return success ? { ...data, name: '' } : null;
  });
  for (const [index, run] of parsed.entries()) {
    const first = run === null ? index : parsed.findIndex((other) => isDeepStrictEqual(other, run));
    if (first === index) continue;
    const [mine, theirs] = [made[index]!, made[first]!];
    const message = `becomes "${mine.run.name}", which is the same run as "${theirs.run.name}"; leave one of them out`;
    return [{ field: `runs[${mine.of}]`, message }];
  }
  return [];
}

/** Where a field of a run that was made is written. */
function placeOf(field: string, made: readonly MadeRun[]): string {
  const [, index = '', rest = ''] = /^runs\[(\d+)\](.*)$/s.exec(field) ?? [];
  const found = made[Number(index)];
  if (index === '' || !found) return field;
  const path = rest.replace(/^\./, '');
  const setting = found.settings
    .filter(({ axis }) => path === axis || path.startsWith(`${axis}.`) || path.startsWith(`${axis}[`))
    .toSorted((a, b) => b.axis.length - a.axis.length)[0];
  return setting ? `${setting.field}${path.slice(setting.axis.length)}` : `runs[${found.of}]${rest}`;
}

/** What is said of several runs alike is said once. */
function place(problem: ProblemError, made: readonly MadeRun[]): ProblemError {
  const inText = (text: string) =>
    text.replace(/runs\[\d+\](?:\.\w+|\[\d+\])*/g, (field) => placeOf(field, made));
  const all = (problem.errors ?? []).map(({ field, message }) => ({
    ...{ field: placeOf(field, made), message: inText(message) },
  }));
  const errors = all.filter((one, at) => all.findIndex((other) => isDeepStrictEqual(other, one)) === at);
  const text = errors.map(({ field, message }) => `${field}: ${message}`).join('. ');
  const detail =
    errors.length < all.length ? `${problem.detail.split('. ', 1)[0]}. ${text}.` : inText(problem.detail);
  return new ProblemError(problem.code, detail, problem.errors && errors, { cause: problem });
}

/**
 * The request with the runs that its matrix makes in place of its own; as it is where it has no matrix, or one that validation refuses.
 * @throws ProblemError `invalid-request` naming what of the matrix does not fit
 */
export function expandMatrix(value: unknown): Expanded {
  const unchanged = { value, placed: (problem: ProblemError) => problem };
  if (!isDocument(value) || value.matrix === undefined) return unchanged;
  const { matrix: given, ...request } = value;
  const { data: matrix } = Matrix.safeParse(given);
  const runs = request.runs ?? [];
  if (!matrix || !Array.isArray(runs) || !runs.every(isDocument)) return unchanged;
  if (isDeep(matrix)) refuse([{ field: 'matrix', message: `is nested more than ${MAX_DEPTH} deep` }]);
  refuse(matrixFaults(matrix, runs));
  const { made, faults } = multiply(runs, matrix);
  refuse(faults);
  refuse(alikeFaults(made));
  return {
    value: { ...request, runs: made.map(({ run }) => run) },
    placed: (problem) => place(problem, made),
  };
}
