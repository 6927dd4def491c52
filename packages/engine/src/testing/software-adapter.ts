/**
 * A Vulkan driver that computes on the processor, for tests of WebGPU on machines without a GPU: SwiftShader, which browsers bring.
 * Debian's is in `chromium-common`. Lavapipe of Mesa 22.3 is not accepted (docs/engines.md).
 */
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { mayHaveGpu } from '../machine/adapter.js';

/** Names the file of the driver to Vulkan's loader, and to this loader alone. */
const VARIABLE = 'VK_ICD_FILENAMES';
const FILE = 'vk_swiftshader_icd.json';
const FOLDERS = [
  '/usr/lib/chromium',
  '/usr/lib/chromium-browser',
  '/usr/lib64/chromium-browser',
  '/opt/google/chrome',
];

/** Browsers that Playwright has downloaded, a folder a version. */
function ofPlaywright(): string[] {
  const folder = join(homedir(), '.cache/ms-playwright');
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((version) =>
    ['chrome-linux', 'chrome-linux64'].map((name) => join(folder, version, name)),
  );
}

/**
 * Has Vulkan take SwiftShader where there is no GPU and nobody has named a driver; before anything asks for an adapter.
 * @returns what may be lacking, for the name of a test that is skipped
 */
export function takeSoftwareAdapter(): string {
  if (process.platform !== 'linux' || mayHaveGpu() || process.env[VARIABLE] !== undefined)
    return 'no WebGPU adapter answers';
  const found = [...FOLDERS, ...ofPlaywright()].map((folder) => join(folder, FILE)).find(existsSync);
  if (found === undefined)
    return `no WebGPU adapter: no GPU, and no ${FILE} of a browser (Debian: chromium-common)`;
  process.env[VARIABLE] = found;
  return `SwiftShader (${found}) does not answer`;
}
