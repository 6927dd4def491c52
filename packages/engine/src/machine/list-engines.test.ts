/** What is installed is played by small packages in a temporary folder: no machine has all the ways in which a library fails. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adapterOf, type Traces } from './adapter.js';
import { deviceListing, eagerEntry, listEngines } from './list-engines.js';
import { type TensorFlow, tensorFlowHere } from './tensorflow.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'engines-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** @param code of the library's main file */
async function machineWith(name: string, which: TensorFlow, code: string): Promise<string> {
  const machine = join(folder, name);
  const library = join(
    machine,
    'node_modules/@tensorflow',
    which === 'tensorflow' ? 'tfjs-node' : 'tfjs-node-gpu',
  );
  await mkdir(library, { recursive: true });
  await writeFile(join(library, 'index.js'), code);
  return machine;
}

const entryOf = async (machine: string, which: TensorFlow = 'tensorflow-gpu', patienceMs?: number) =>
  eagerEntry(
    which,
    await tensorFlowHere(which, { folder: machine, ...(patienceMs === undefined ? {} : { patienceMs }) }),
  );

const withGpu = (gpu: boolean) => `exports.backend = () => ({ isUsingGpuDevice: ${gpu} });`;

describe('a library of the eager engine', () => {
  it('that is not there is named with the command that installs it', async () => {
    const entry = await entryOf(folder, 'tensorflow');
    expect(entry).toMatchObject({ usable: false, about: '@tensorflow/tfjs-node is not installed' });
    expect(entry.remedy).toMatch(/^npm install .*@tensorflow\/tfjs-node@/);
  });

  it('that finds a GPU is usable', async () => {
    const machine = await machineWith('gpu', 'tensorflow-gpu', withGpu(true));
    expect(await entryOf(machine)).toMatchObject({ usable: true, about: 'a GPU answers', remedy: null });
  });

  it('for GPUs that finds none is not usable; the one for processors needs none', async () => {
    const machine = await machineWith('no-gpu', 'tensorflow-gpu', withGpu(false));
    await machineWith('no-gpu', 'tensorflow', withGpu(false));
    expect(await entryOf(machine)).toMatchObject({
      usable: false,
      about: expect.stringMatching(/finds no GPU$/),
    });
    expect(await entryOf(machine, 'tensorflow')).toMatchObject({ usable: true });
  });

  it.each([
    [
      'misses a library of the system',
      "throw new Error('libcudnn.so.8: cannot open shared object file: No such file or directory\\n    at a stack');",
      /but the library libcudnn\.so\.8 is missing$/,
      /^CUDA 11\.2 and cuDNN/,
    ],
    [
      'says on stderr which library it misses',
      "console.error('Could not load dynamic library; dlerror: libcudart.so.11.0: cannot open shared object file'); throw new Error('x');",
      /but the library libcudart\.so\.11\.0 is missing$/,
      /^CUDA 11\.2 and cuDNN/,
    ],
    [
      'was installed without its binary',
      "throw new Error('The addon (tfjs_binding.node) can not be found at path: /a/b.node. \\nPlease run …');",
      /but The addon \(tfjs_binding\.node\) can not be found at path: \/a\/b\.node$/,
      /^npm rebuild --ignore-scripts=false @tensorflow\/tfjs-node-gpu/,
    ],
    ['throws', "throw new Error('not built for this Node\\nmore');", /but not built for this Node$/],
    ['crashes', "process.kill(process.pid, 'SIGSEGV');", /but it crashed while it was loaded \(SIGSEGV\)$/],
    ['ends the process', 'process.exit(7);', /but it ended the process while it was loaded \(exit code 7\)$/],
    ['prints while it loads', `console.log('{"value":1}'); ${withGpu(true)}`, /^a GPU answers$/],
  ])(
    'that %s is told in one line, with what mends it',
    async (name, code, about, remedy = /^npm rebuild/) => {
      const entry = await entryOf(await machineWith(name, 'tensorflow-gpu', code));
      expect(entry.about).toMatch(about);
      expect(entry.about).not.toContain('\n');
      if (!entry.usable) expect(entry.remedy).toMatch(remedy);
    },
  );

  it('that hangs while it loads is given up', async () => {
    const machine = await machineWith('hangs', 'tensorflow-gpu', 'for (;;);');
    const entry = await entryOf(machine, 'tensorflow-gpu', 1000);
    expect(entry.about).toMatch(/but it did not answer within 1 s$/);
  });
});

it('lists every engine once, each with one line, and says which one auto takes', async () => {
  const engines = await listEngines();
  expect(engines.map(({ engine, on }) => `${engine} ${on}`)).toEqual([
    'compiled cpu',
    'webgpu webgpu',
    'cuda cuda',
    'eager tensorflow-gpu',
    'eager tensorflow',
  ]);
  expect(engines[0]).toMatchObject({
    usable: true,
    about: expect.stringMatching(/convolutions.*\d+ threads/),
  });
  expect(engines.filter(({ auto }) => auto)).toHaveLength(1);
  for (const { about, usable, remedy } of engines) {
    expect(about).toMatch(/^[^\n]{5,}$/);
    if (usable) expect(remedy).toBeNull();
  }
});

describe('a device that runs graphs', () => {
  const traces = (given: Partial<Traces>): Traces => ({
    platform: 'linux',
    files: [],
    libraries: [],
    ...given,
  });

  it.each([
    ['a driver that holds a render node', { files: ['/dev/dri/renderD128'] }, 'gpu'],
    ["NVIDIA's driver", { files: ['/dev/null', '/dev/nvidia0'] }, 'gpu'],
    [
      'one of hardware beside an installed lavapipe',
      { files: ['/dev/dri/renderD128'], libraries: ['/usr/lib/libvulkan_lvp.so'] },
      'gpu',
    ],
    ['SwiftShader', { libraries: ['/usr/lib/chromium/libvk_swiftshader.so'] }, 'SwiftShader'],
    [
      'lavapipe beside drivers that found nothing',
      { libraries: ['libvulkan_radeon.so', 'libvulkan_lvp.so'] },
      'lavapipe',
    ],
    ['one that nobody knows and that holds no device', {}, 'an unknown one'],
    ['Metal', { platform: 'darwin' as const }, 'gpu'],
    ['WARP', { platform: 'win32' as const, libraries: ['C:\\Windows\\d3d10warp.dll'] }, 'WARP'],
  ])('by %s is told from what it holds and loads', (_, given, expected) => {
    const adapter = adapterOf(traces(given));
    expect(adapter.is === 'gpu' ? adapter.is : adapter.name).toBe(expected);
  });

  it('is worth it to auto if it is a GPU that multiplies rightly, and twice as fast as the processor', () => {
    const gpu = { is: 'gpu' } as const;
    const listing = (speed: number) => deviceListing('webgpu', gpu, { is: 'answer', value: speed });
    expect(listing(0.1)).toMatchObject({
      usable: true,
      worth: true,
      about: expect.stringMatching(/0\.10 times/),
    });
    expect(listing(0.8)).toMatchObject({
      usable: true,
      worth: false,
      slow: expect.stringMatching(/0\.80 times/),
    });
    const wrong = { is: 'fault', reason: 'its matrix products are wrong', said: '' } as const;
    expect(deviceListing('cuda', gpu, wrong)).toMatchObject({ usable: false, worth: false });
    const software = { is: 'software', name: 'SwiftShader' } as const;
    expect(deviceListing('webgpu', software, null)).toMatchObject({ usable: true, worth: false });
  });
});
