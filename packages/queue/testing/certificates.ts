/** A certificate authority of the tests' own, and what it signed, as PEM files. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Certificates {
  /** Paths. */
  authority: string;
  certificate: string;
  key: string;
  remove(): Promise<void>;
}

/** A certificate for `names`, as in the field subjectAltName, signed by an authority that nobody else knows. */
export async function makeCertificates(names = 'DNS:localhost,IP:127.0.0.1'): Promise<Certificates> {
  const folder = await mkdtemp(join(tmpdir(), 'rela-queue-certificates-'));
  const [authority, certificate, key] = ['authority.pem', 'certificate.pem', 'key.pem'].map((name) =>
    join(folder, name),
  ) as [string, string, string];
  const authorityKey = join(folder, 'authority-key.pem');
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const openssl = (...args: string[]) => run('openssl', args);
  await openssl(
    ...['req', '-x509', ...newKey, '-days', '1', '-subj', '/CN=the authority of a test'],
    ...['-keyout', authorityKey, '-out', authority],
  );
  const request = join(folder, 'request.pem');
  await openssl('req', ...newKey, '-subj', '/CN=a server of a test', '-keyout', key, '-out', request);
  const extensions = join(folder, 'extensions');
  await writeFile(extensions, `subjectAltName=${names}\n`);
  await openssl(
    ...['x509', '-req', '-days', '1', '-in', request, '-extfile', extensions, '-out', certificate],
    ...['-CA', authority, '-CAkey', authorityKey, '-CAcreateserial'],
  );
  return { authority, certificate, key, remove: () => rm(folder, { recursive: true, force: true }) };
}
