/**
 * The folder of one embedded Postgres: where its data, log, password and port are. Under root the server may be unable
 * to reach that folder (/root is closed to it); then the data lie under /var/tmp, and the folder remembers where.
 */
import { randomBytes } from 'node:crypto';
import { access, chown, link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Account, canReach } from './account.js';

export const GROUND_PREFIX = 'rela-postgres-';
/** File on a far ground that names the folder it belongs to. */
export const BELONGS_TO = 'belongs-to';

export interface Place {
  /** What was asked for; password, port and log are here. */
  folder: string;
  /** A folder that the server's account can reach: `folder` itself, or one under /var/tmp. */
  ground: string;
  data: string;
  log: string;
  /** Length 32, hexadecimal; kept in `folder` with mode 0600. */
  password: string;
}

/** Creates `path` with `text`, or leaves what another process put there first, and gives what it holds. */
async function settle(path: string, text: string): Promise<string> {
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(draft, text, { mode: 0o600 });
  try {
    // A link appears whole or not at all, so nobody reads half a file.
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(draft);
  }
  return (await readFile(path, 'utf8')).trim();
}

async function farGround(folder: string): Promise<string> {
  const spacious = await access('/var/tmp').then(
    () => '/var/tmp',
    () => tmpdir(),
  );
  // The name is drawn once and kept in the folder: deleting the folder starts a fresh database.
  const name = `${GROUND_PREFIX}${randomBytes(8).toString('hex')}`;
  return settle(join(folder, 'elsewhere'), join(spacious, name));
}

/** Makes the folder and settles password and ground. @throws what the file system throws */
export async function openPlace(wanted: string, account: Account | null): Promise<Place> {
  const folder = resolve(wanted);
  await mkdir(folder, { recursive: true });
  const near = await canReach(account, join(folder, 'data'));
  const ground = near ? folder : await farGround(folder);
  if (!near) {
    await mkdir(ground, { recursive: true, mode: 0o700 });
    await writeFile(join(ground, BELONGS_TO), folder);
    if (account) await chown(ground, account.uid, account.gid);
  }
  return {
    folder,
    ground,
    data: join(ground, 'data'),
    log: join(folder, 'server.log'),
    password: await settle(join(folder, 'password'), randomBytes(16).toString('hex')),
  };
}

/** The port of the last start, so that a URL somebody noted stays good. */
export async function rememberedPort(place: Pick<Place, 'folder'>): Promise<number | null> {
  try {
    const port = Number(await readFile(join(place.folder, 'port'), 'utf8'));
    return Number.isInteger(port) && port > 0 && port < 65536 ? port : null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** What a start has left in the folder for those who want to reach its server; makes nothing. */
export async function knownPlace(folder: string): Promise<{ port: number; password: string } | null> {
  const port = await rememberedPort({ folder });
  if (port === null) return null;
  return { port, password: (await readFile(join(folder, 'password'), 'utf8')).trim() };
}

export async function rememberPort(place: Place, port: number): Promise<void> {
  await writeFile(join(place.folder, 'port'), `${port}\n`);
}
