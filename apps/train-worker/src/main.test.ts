/** The program as it is started: what it needs and what it says where that is missing. No database answers: none must be asked. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { listEngines } from '@rela/engine';
import { expect, it } from 'vitest';

const program = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const engines = await listEngines();
/** WebGPU goes without a driver here, whatever this machine has. */
const isMissing = (engine: string) =>
  (engine === 'webgpu' && process.platform === 'linux') ||
  engines.every((one) => one.engine !== engine || !one.usable);

/** @returns how the program ended, and what it wrote */
function start(engine: string): Promise<{ code: number | null; stderr: string }> {
  return new Promise((resolve) => {
    const env = {
      ...process.env,
      ENGINE: engine,
      LOG_LEVEL: 'warn',
      DATABASE_URL: 'postgres://127.0.0.1:1/none',
      VK_ICD_FILENAMES: '/nowhere/driver.json',
    };
    const child = execFile(process.execPath, [program], { env, timeout: 60_000 }, (_error, _out, stderr) =>
      resolve({ code: child.exitCode, stderr }),
    );
  });
}

it.each(
  [
    ['webgpu', /no WebGPU adapter answers.*It needs: a GPU with its driver/],
    ['cuda', /is missing.*It needs: npm rebuild onnxruntime-node|CUDA on Linux x64 only/],
    ['eager', /npm (?:install|rebuild) .*@tensorflow\/tfjs-node/],
  ].filter(([engine]) => isMissing(String(engine))),
)(
  'with ENGINE=%s and its library missing, ends with one line that says what brings it, before it asks for work',
  async (engine, reason) => {
    const { code, stderr } = await start(String(engine));
    expect(code).toBe(1);
    expect(stderr).toMatch(reason);
    expect(stderr).toMatch(new RegExp(`^The train worker cannot run\\. ENGINE=${engine}: [^\\n]+\\n$`));
  },
);
