/**
 * Which kernels were the fastest here, kept in a file from process to process: timing a shape takes about a second, and the answer
 * belongs to the machine. One list a machine, since a folder may be seen by several.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { dirname } from 'node:path';
import * as ort from 'onnxruntime-node';
import { CANDIDATES, type Candidate, type Plan, type Precision } from './plan.js';

export interface Setting {
  /** Null: no direct kernels. */
  block: number | null;
  threads: number;
  precision: Precision;
}

type Kept = Record<string, Record<string, string>>;

/** What decides how fast a kernel is, and which there are to choose from. */
function keyOf({ block, threads, precision }: Setting): string {
  const cpu = cpus()[0]?.model ?? 'unknown processor';
  const kernels = block === null ? 'plain kernels' : `blocks of ${block}`;
  return `${cpu}, ${kernels}, ${CANDIDATES.length} candidates, ${threads} threads, ${precision}, onnxruntime ${ort.env.versions.node}`;
}

async function readAll(path: string): Promise<Kept> {
  try {
    const kept: unknown = JSON.parse(await readFile(path, 'utf8'));
    return typeof kept === 'object' && kept !== null ? (kept as Kept) : {};
  } catch {
    // Not there, or damaged: what it said is timed again.
    return {};
  }
}

/** The kernels that this machine was found to be fastest with; those that this version does not have are left out. */
export async function readKept(path: string, setting: Setting): Promise<Plan> {
  const known = new Set<string>(CANDIDATES);
  const kept = (await readAll(path))[keyOf(setting)] ?? {};
  return Object.fromEntries(
    Object.entries(kept).filter((entry): entry is [string, Candidate] => known.has(entry[1])),
  );
}

/** Adds to what is kept. Never fails for the disk's sake: what cannot be kept is timed again. */
export async function keep(path: string, setting: Setting, plan: Plan): Promise<void> {
  const passing = `${path}.${randomUUID()}`;
  try {
    await mkdir(dirname(path), { recursive: true });
    const all = await readAll(path);
    const key = keyOf(setting);
    await writeFile(passing, `${JSON.stringify({ ...all, [key]: { ...all[key], ...plan } }, null, 2)}\n`);
    await rename(passing, path);
  } catch (error) {
    await rm(passing, { force: true }).catch(() => undefined);
    process.emitWarning(
      `The kernels that are fastest here could not be kept in ${path}: ${error instanceof Error ? error.message : String(error)}`,
      { type: 'KernelPlan', code: 'ENGINE_PLAN_NOT_KEPT' },
    );
  }
}
