/** Reads the specification of a job, YAML or JSON, and finds the line of a field that the service complains about. */
import { readFile } from 'node:fs/promises';
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';

export interface Fault {
  field: string;
  message: string;
}

export interface Spec {
  file: string;
  /** Not validated: that is the service's. */
  value: unknown;
  /** Line and column, from 1, of a field such as `runs[0].epochs`, or of the nearest thing around it. */
  locate(field: string): { line: number; column: number };
}

/** The specification cannot be read, or the service refuses it; the text has one line a fault. */
export class SpecError extends Error {
  override readonly name = 'SpecError';
  readonly code = 'invalid-spec';

  constructor(
    readonly file: string,
    readonly faults: (Fault & { line: number; column: number })[],
    options?: ErrorOptions,
  ) {
    const lines = faults.map(
      ({ line, column, field, message }) =>
        `${file}:${line}:${column}  ${field === '' ? '' : `${field}: `}${message}`,
    );
    super(lines.join('\n'), options);
  }
}

function stepsOf(field: string): (string | number)[] {
  return [...field.matchAll(/\[(\d+)\]|([^.[\]]+)/g)].map(([, index, key]) =>
    index === undefined ? (key ?? '') : Number(index),
  );
}

/** Where the field starts: its key in a mapping, the item in a sequence. What does not exist is where it would be. */
function offsetOf(document: Document.Parsed, field: string): number {
  let node: Node | null = document.contents;
  let offset = node?.range?.[0] ?? 0;
  const steps = stepsOf(field);
  for (let at = 0; at < steps.length; at++) {
    const step = steps[at];
    if (isAlias(node)) node = node.resolve(document) ?? null;
    if (isMap(node)) {
      const { items } = node;
      // A key may have points itself: the axis `optimizer.learningRate` of a matrix.
      const ends = Array.from({ length: steps.length - at }, (_, more) => at + more + 1);
      const found = ends.flatMap((end) => {
        const name = steps.slice(at, end).join('.');
        const pair = items.find(({ key }) => isScalar(key) && String(key.value) === name);
        return pair ? [{ pair, end }] : [];
      });
      const [{ pair, end } = { pair: null, end: at }] = found;
      if (!pair) break;
      at = end - 1;
      offset = (pair.key as Node).range?.[0] ?? offset;
      node = pair.value as Node | null;
    } else if (isSeq(node)) {
      const item = node.items[Number(step)] as Node | undefined;
      if (!item) break;
      offset = item.range?.[0] ?? offset;
      node = item;
    } else break;
  }
  return offset;
}

/** @throws SpecError where the text is neither YAML nor JSON */
export function parseSpec(text: string, file: string): Spec {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const position = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  if (document.errors.length > 0)
    throw new SpecError(
      file,
      document.errors.map(({ message, pos }) => ({ field: '', message, ...position(pos[0]) })),
    );
  return {
    file,
    value: document.toJS(),
    locate: (field) => position(offsetOf(document, field)),
  };
}

/** @throws SpecError, or what the file system throws */
export async function readSpec(file: string): Promise<Spec> {
  return parseSpec(await readFile(file, 'utf8'), file);
}

/** The service's complaints with the lines that they are about. */
export function faultsInSpec(spec: Spec, faults: readonly Fault[], cause: unknown): SpecError {
  const placed = faults.map((fault) => ({ ...fault, ...spec.locate(fault.field) }));
  return new SpecError(spec.file, placed, { cause });
}
