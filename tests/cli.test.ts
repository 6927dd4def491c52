/** The command line against a real service, from images to a downloaded model. */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Dataset, Firing, Job, Problem, Run, Schedule, Webhook, WebhookDelivery } from '@rela/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { rela } from './rela.js';
import { startService, type TestService } from './service.js';
import { writeShapes } from './shapes.js';

const Outcome = z.object({ job: Job, runs: z.array(Run) });

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.close());

/** The service is found by its home. */
const here = (...args: string[]) => rela('--home', service.service.home, ...args);

async function parsed<T extends z.ZodType>(schema: T, ...args: string[]): Promise<z.output<T>> {
  const { code, stdout, stderr } = await here('--json', ...args);
  expect({ code, stderr }, args.join(' ')).toEqual({ code: 0, stderr: '' });
  return schema.parse(JSON.parse(stdout));
}

async function writeSpec(name: string, text: string): Promise<string> {
  const path = join(service.folder, name);
  await writeFile(path, text);
  return path;
}

const SPEC = `dataset: shapes
prior: untrained
runs:
  - name: accelerated
    method: { name: byol }
    backbone: { name: resnet18-narrow }
    rela: { switch: { kind: static, lambda: 0.5 } }
    dataRatio: 0.5
    epochs: 2
    batchSize: 32
    evaluation: { probe: { epochs: 2 } }
`;

describe('rela, with a service', () => {
  it('registers images and a prior', async () => {
    const train = await writeShapes(join(service.folder, 'train'), { count: 136 });
    const test = await writeShapes(join(service.folder, 'test'), { count: 64, seed: 2 });
    const dataset = await parsed(
      Dataset,
      ...['datasets', 'add', 'shapes', '--wait', '--shard-size', '64', '--idx-images', train.images],
      ...['--idx-labels', train.labels, '--idx-test-images', test.images, '--idx-test-labels', test.labels],
    );
    expect(dataset).toMatchObject({ name: 'shapes', status: 'ready', train: 136, test: 64 });
    expect((await here('datasets', 'show', 'shapes')).stdout).toContain('16 × 16 px');
    const added = await here(
      ...[
        'priors',
        'add',
        'untrained',
        '--random',
        'resnet18-narrow',
        '--image-size',
        '16',
        '--channels',
        '1',
      ],
    );
    expect(added).toMatchObject({ code: 0, stderr: '' });
    expect((await here('priors', 'list')).stdout).toMatch(/untrained +random +16 × 16 × 1/);
    expect((await here('datasets', 'list')).stdout).toMatch(/shapes +ready +136 +64 +4/);
  });

  it('keeps schedules: made from the file of a job, shown, changed, paused, triggered and deleted', async () => {
    const spec = await writeSpec('nightly.yaml', `${SPEC}labels: { kind: nightly }\n`);
    const made = await parsed(
      Schedule,
      ...['schedules', 'add', 'nightly', spec, '--cron', '30 2 * * 1-5', '--time-zone', 'Europe/Berlin'],
      ...['--concurrency', 'forbid', '--missed', 'all', '--most-missed', '3', '--label', 'team=vision'],
    );
    expect(made).toMatchObject({
      ...{ name: 'nightly', concurrency: 'forbid', missed: 'all', mostMissed: 3, labels: { team: 'vision' } },
      job: { dataset: 'shapes', labels: { kind: 'nightly' } },
    });
    expect((await here('schedules', 'list', '--label', 'team=vision')).stdout).toMatch(
      /nightly +30 2 \* \* 1-5 +Europe\/Berlin +\d{4}-/,
    );
    const typo = await writeSpec('nightly-typo.yaml', SPEC.replace('dataRatio', 'dataRation'));
    const refused = await here('schedules', 'change', 'nightly', '--spec', typo);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toContain(`${typo}:8:5  runs[0].dataRation: there is no field`);
    expect((await here('schedules', 'change', 'nightly')).code).toBe(2);
    expect((await here('schedules', 'add', 'other', spec, '--cron', 'daily')).stderr).toContain(
      'five fields',
    );
    const paused = ['schedules', 'pause', 'nightly'];
    expect((await here(...paused)).stdout).toBe('nightly: It is paused.\n');
    const { jobId } = await parsed(Firing, 'schedules', 'trigger', 'nightly');
    await here('jobs', 'cancel', jobId!);
    expect((await here('jobs', 'show', jobId!)).stdout).toContain(made.id);
    expect((await here('schedules', 'show', 'nightly')).stdout).toMatch(
      /state +paused[\s\S]+manual +job +job_/,
    );
    expect((await here('schedules', 'firings', 'nightly')).stdout).toContain(jobId!);
    const hourly = await parsed(Schedule, 'schedules', 'change', 'nightly', '--cron', '@hourly');
    expect(hourly).toMatchObject({ cron: '@hourly', paused: true, concurrency: 'forbid' });
    expect((await here('schedules', 'resume', 'nightly')).stdout).toMatch(
      /^nightly: It is due at .*:00:00\.\n$/,
    );
    expect((await here('schedules', 'delete', 'nightly')).stdout).toBe('nightly is deleted.\n');
    expect((await here('schedules', 'show', 'nightly')).stderr).toContain('There is no schedule "nightly"');
  });

  it('names the line of a field that the service does not know', async () => {
    const spec = await writeSpec('typo.yaml', SPEC.replace('epochs: 2\n    batch', 'epocs: 2\n    batch'));
    const refused = await here('run', spec);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toContain(
      `${spec}:9:5  runs[0].epocs: there is no field "epocs"; did you mean "epochs"?`,
    );
    const { stderr } = await here('--json', 'run', spec);
    expect(Problem.parse(JSON.parse(stderr)).errors?.[0]?.field).toBe('runs[0].epocs');
  });

  it('puts the method that is named in place of those of the file, and says where it does not fit', async () => {
    const spec = await writeSpec('method.yaml', SPEC);
    const refused = await here('run', spec, '--method', 'mae');
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toMatch(/runs\[0\]\.backbone\.name: is resnet18-narrow.*take vit-tiny/);
  });

  it('runs a job, shows the way there, and downloads the model', async () => {
    const spec = await writeSpec('job.yaml', SPEC);
    const followed = await here('run', spec, '--follow');
    expect(followed.code, followed.stderr).toBe(0);
    expect(followed.stderr).toMatch(/train accelerated +100 % +done/);
    expect(followed.stdout).toMatch(/accelerated +run_\w+ +succeeded/);

    const { job, runs } = await parsed(Outcome, 'run', spec, '--follow');
    expect(job.status).toBe('succeeded');
    expect(runs[0]).toMatchObject({ name: 'accelerated', reused: true, result: { steps: 4 } });
    const run = runs[0]!;
    expect((await here('runs', 'metrics', run.id)).stdout.split('\n')[0]).toMatch(/STEP +EPOCH +PHASE +LOSS/);
    const path = join(service.folder, 'model.onnx');
    const digest = run.result?.model ?? '';
    expect((await here('models', 'get', digest, '-o', path)).code).toBe(0);
    const bytes = await readFile(path);
    expect(`sha256:${createHash('sha256').update(bytes).digest('hex')}`).toBe(digest);

    const asPrior = await here('priors', 'add', 'uploaded', '--onnx', path);
    expect(asPrior.code, asPrior.stderr).toBe(0);
  });

  it('cancels a job, and a follower of it ends with exit code 1', async () => {
    const spec = await writeSpec(
      'long.yaml',
      SPEC.replace('epochs: 2\n    batch', 'epochs: 10000\n    batch'),
    );
    const { id } = await parsed(Job, 'run', spec);
    const follower = here('jobs', 'follow', id);
    expect((await here('jobs', 'cancel', id)).code).toBe(0);
    const followed = await follower;
    expect(followed.code).toBe(1);
    expect(followed.stdout).toContain('cancelled');
    expect((await here('jobs', 'list', '--status', 'cancelled')).stdout).toContain(id);
  });

  it('submits the jobs of a file, finds them by a label, pauses one, goes on with it and sends it again', async () => {
    const run = {
      ...{ name: 'plain', method: { name: 'byol' }, backbone: { name: 'resnet18-narrow' } },
      ...{ epochs: 200, batchSize: 32 },
    };
    const job = { dataset: 'shapes', runs: [run], labels: { set: 'night' } };
    const lines = [job, { ...job, dataset: 'shpaes' }].map((line) => JSON.stringify(line)).join('\n\n');
    const batch = await here('batch', await writeSpec('jobs.jsonl', lines));
    expect(batch.code).toBe(1);
    expect(batch.stdout).toMatch(/^ +3 .*did you mean "shapes"/m);
    const found = await parsed(z.object({ items: z.array(Job) }), 'jobs', 'list', '--label', 'set=night');
    expect(found.items).toHaveLength(1);
    const [{ id } = { id: '' }] = found.items;
    expect((await here('jobs', 'pause', id)).stdout).toContain(`Go on with: rela jobs resume ${id}`);
    expect((await here('jobs', 'stages', id)).stdout).toMatch(/train +(paused|running)/);
    const first = await here('jobs', 'stages', id, '--limit', '1');
    const cursor = /There are more: --cursor (\S+)/.exec(first.stdout)?.[1] ?? '';
    expect((await here('jobs', 'stages', id, '--cursor', cursor)).stdout).toMatch(/evaluate +waiting/);
    expect((await here('jobs', 'resume', id)).stdout).toMatch(/is (queued|running)\./);
    await here('jobs', 'cancel', id);
    expect((await here('jobs', 'follow', id)).code).toBe(1);
    expect((await here('jobs', 'retry', id, '--from', 'join')).stderr).toContain('has no stage "join"');
    expect((await here('jobs', 'retry', id)).stdout).toContain(`${id} is queued.`);
    expect((await here('jobs', 'cancel', id)).code).toBe(0);
    expect((await here('jobs', 'dead')).stdout).not.toContain(id);
    const wrong = await here('batch', await writeSpec('bad.jsonl', '{}\n{'));
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('Line 2 of')]);
  });

  it('adds a webhook, shows what was sent to it, sends it again, and removes it', async () => {
    const refused = await here('webhooks', 'add', 'http://127.0.0.1:9/');
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining('url: 127.0.0.1 is an address'),
    ]);
    const added = await here(
      'webhooks',
      'add',
      'http://localhost:9/',
      '--event',
      'job.failed',
      '--label',
      'a=b',
    );
    expect(added.stdout).toMatch(/secret +whsec_\S+ +\(not shown again\)/);
    const id = /wh_[0-9a-f]{32}/.exec(added.stdout)?.[0] ?? '';
    expect((await here('webhooks', 'list')).stdout).toMatch(
      new RegExp(`${id} +http://localhost:9/ +yes +job.failed +a=b`),
    );
    expect((await here('webhooks', 'change', id, '--off')).stdout).toMatch(/on +no/);
    expect((await here('webhooks', 'ping', id)).stderr).toContain('is off');
    const changed = await parsed(Webhook, 'webhooks', 'change', id, '--on', '--description', 'chat');
    expect(changed).toMatchObject({ enabled: true, events: ['job.failed'], description: 'chat' });
    expect((await here('webhooks', 'secret', id)).stdout).toContain('old one until');
    const { id: delivery } = await parsed(WebhookDelivery, 'webhooks', 'ping', id);
    const failed = async () => (await here('webhooks', 'deliveries', id, '--status', 'failed')).stdout;
    await expect
      .poll(failed, { timeout: 60_000 })
      .toMatch(/webhook.ping .* is an address of a private network/);
    expect((await here('webhooks', 'redeliver', id, delivery)).stdout).toContain('is sent again');
    expect((await here('webhooks', 'remove', id)).code).toBe(0);
    expect((await here('webhooks', 'show', id)).stderr).toContain(`There is no webhook "${id}"`);
  });

  it('says what does not exist', async () => {
    const refused = await here('datasets', 'show', 'shaps');
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toContain('shaps');
    expect((await here('--json', 'runs', 'show', 'run_none')).stderr).toContain('"not-found"');
  });
});
