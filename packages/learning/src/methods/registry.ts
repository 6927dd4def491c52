/** All methods by name. Options and defaults are in `@rela/contracts`, methods.ts; what is named there and missing here does not compile. */
import { type MethodName, type MethodOptions, type MethodSpec, ProblemError } from '@rela/contracts';
import { barlowTwins } from './barlow-twins.js';
import { byol } from './byol.js';
import { dino } from './dino.js';
import { mae } from './mae.js';
import type { Method, MethodContext, MethodFault, MethodPage } from './method.js';
import { mocoV2 } from './moco-v2.js';
import { simclr } from './simclr.js';
import { simsiam } from './simsiam.js';
import { supervised } from './supervised.js';
import { vicreg } from './vicreg.js';

const METHODS: { [Name in MethodName]: MethodPage<MethodOptions<Name>> } = {
  byol,
  simclr,
  simsiam,
  'moco-v2': mocoV2,
  'barlow-twins': barlowTwins,
  vicreg,
  dino,
  mae,
  supervised,
};

/** The page of the method, which takes the options that its name says. */
const pageOf = (spec: MethodSpec) => METHODS[spec.name] as MethodPage<MethodSpec>;

/** What of a run its method cannot work with; empty where it can. */
export function methodFaults(spec: MethodSpec, context: MethodContext): MethodFault[] {
  return pageOf(spec).faults?.(spec, context) ?? [];
}

/** @throws ProblemError `invalid-request` naming every field that the method cannot work with. */
export function createMethod(spec: MethodSpec, context: MethodContext): Method {
  const faults = methodFaults(spec, context);
  if (faults.length > 0)
    throw new ProblemError(
      'invalid-request',
      `The run cannot train. ${faults.map(({ path, message }) => `${path.join('.')}: ${message}`).join('. ')}.`,
    );
  return pageOf(spec).create(spec, context);
}
