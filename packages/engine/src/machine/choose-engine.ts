/** Which engine is taken: the one that was asked for, if it can be used here, or what `auto` finds. */
import { EngineError } from '../errors.js';
import { ENGINE_NAMES, type EngineName } from '../running/engine.js';
import type { DeviceProvider } from '../running/provider.js';
import { mayHaveGpu } from './adapter.js';
import { AUTO_ORDER, deviceEntry, type EngineListing, eagerEntry } from './list-engines.js';
import { eagerLibrary, tensorFlowHere } from './tensorflow.js';

const warnSlow = (text: string, code: string) => process.emitWarning(text, { type: 'SlowEngine', code });

/**
 * The engine by its name, once it is known that it can be used here. `auto`: a GPU where one answers and is worth it
 * (`listEngines` says why or why not), else `compiled`.
 * @throws EngineError `engine-unavailable` with what is missing and what brings it, `bad-option` for another name
 */
export async function chooseEngine(
  wanted: 'auto' | EngineName,
  { backend }: { backend?: string } = {},
): Promise<EngineName> {
  switch (wanted) {
    case 'auto':
      return chosenByAuto();
    case 'compiled':
      return wanted;
    case 'webgpu':
    case 'cuda':
      await mustBeUsable(wanted);
      return wanted;
    case 'eager':
      if (backend === undefined) await eagerLibrary();
      return wanted;
    default:
      wanted satisfies never;
      throw new EngineError(
        'bad-option',
        `The engine is one of auto, ${ENGINE_NAMES.join(', ')}, not "${String(wanted)}".`,
      );
  }
}

async function mustBeUsable(provider: DeviceProvider): Promise<void> {
  const { usable, about, remedy, slow } = await deviceEntry(provider);
  if (!usable)
    throw new EngineError(
      'engine-unavailable',
      `The engine "${provider}" cannot be used: ${about}.${remedy === null ? '' : ` It needs: ${remedy}.`} Or take "compiled" or "auto".`,
    );
  if (slow !== undefined) warnSlow(`The engine "${provider}" is slow here: ${slow}.`, 'ENGINE_SLOW_DEVICE');
}

async function chosenByAuto(): Promise<EngineName> {
  for (const on of AUTO_ORDER) {
    const taken = await takenByAuto(on);
    if (taken) return taken;
  }
  return 'compiled';
}

/** The engine on `on` where it is worth it. Who has installed a library for GPUs and gets the processor all the same is told. */
async function takenByAuto(on: EngineListing['on']): Promise<EngineName | null> {
  switch (on) {
    case 'cpu':
      return 'compiled';
    case 'webgpu':
    case 'cuda': {
      // Without a GPU none of them can be worth the second that asking takes.
      if (!mayHaveGpu()) return null;
      const { worth } = await deviceEntry(on);
      return worth ? on : null;
    }
    case 'tensorflow':
      return null;
    case 'tensorflow-gpu': {
      const answer = await tensorFlowHere(on);
      if (answer === null) return null;
      const { worth, about } = eagerEntry(on, answer);
      if (worth) return 'eager';
      warnSlow(
        `The engine "auto" does without tfjs-node-gpu: ${about}. Steps take as long as on a machine without it.`,
        'ENGINE_WITHOUT_GPU',
      );
      return null;
    }
    default:
      return on satisfies never;
  }
}
