// TF.js as the peer, on its WASM backend: a process of its own, because its threads and memory must not be ours.
import { fileURLToPath } from 'node:url';
import { startPeer } from './peer.mjs';

const script = fileURLToPath(new URL('./tfjs/steps.mjs', import.meta.url));

/** @param work as startOurs takes it; @returns a peer, and as `setting` how its backend runs */
export async function startTfjs(work) {
  const peer = await startPeer([process.execPath, script, JSON.stringify(work)], 'TF.js');
  return { ...peer, setting: peer.told.setting };
}
