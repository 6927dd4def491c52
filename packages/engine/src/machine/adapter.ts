/** What a provider's device is: hardware, or a driver that computes on the processor. ONNX Runtime's binding does not say. */
import { existsSync, readdirSync } from 'node:fs';

/** What a process that has run a graph on a device has to show for it. */
export interface Traces {
  platform: NodeJS.Platform;
  /** Files that it holds open, where the system lists them (Linux). */
  files: readonly string[];
  /** Libraries that it has loaded. */
  libraries: readonly string[];
}

export type Adapter = { is: 'gpu' } | { is: 'software'; name: string };

/** A driver of hardware holds its device: DRM's render nodes, NVIDIA's own, WSL's. */
const DEVICE_FILES = [/^\/dev\/dri\/renderD/, /^\/dev\/nvidia(?:ctl|\d)/, /^\/dev\/dxg$/];

const SOFTWARE: [RegExp, string][] = [
  [/vk_swiftshader/, 'SwiftShader'],
  [/libvulkan_lvp/, 'lavapipe'],
  [/d3d10warp/i, 'WARP'],
];

/**
 * On Linux the loader loads every driver that is installed, so that a library says little; a device that is held open says that
 * there is hardware, which Dawn prefers. Elsewhere libraries have to do.
 */
export function adapterOf({ platform, files, libraries }: Traces): Adapter {
  const found = SOFTWARE.find(([pattern]) => libraries.some((library) => pattern.test(library)));
  const software = { is: 'software', name: found?.[1] ?? 'an unknown one' } as const;
  if (platform === 'linux')
    return files.some((file) => DEVICE_FILES.some((pattern) => pattern.test(file)))
      ? { is: 'gpu' }
      : software;
  return found ? software : { is: 'gpu' };
}

/** Whether this machine may have a GPU, before a library looks. On Linux it is a device file; elsewhere nothing is known. */
export function mayHaveGpu(): boolean {
  if (process.platform !== 'linux') return true;
  if (['/dev/nvidiactl', '/dev/dxg'].some((file) => existsSync(file))) return true;
  return existsSync('/dev/dri') && readdirSync('/dev/dri').some((name) => name.startsWith('renderD'));
}
