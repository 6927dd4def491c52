/** What is known of blobs in storage: uploads, features, and the models that runs have trained. */
import type { Artifact, Model } from '@rela/contracts';
import type { Connection, Transaction } from '../connection.js';
import type { Artifact as ArtifactRow } from '../generated/client.js';

function toArtifact(row: ArtifactRow): Artifact {
  return { ...row, bytes: Number(row.bytes), createdAt: row.createdAt.toISOString() };
}

interface NewArtifact {
  digest: string;
  bytes: number;
  mediaType: string;
}

/** The first record of a digest stays: the same bytes are the same artifact. */
export async function recordArtifact(
  { artifact }: Pick<Transaction, 'artifact'>,
  created: NewArtifact,
): Promise<Artifact> {
  const { digest } = created;
  return toArtifact(await artifact.upsert({ where: { digest }, create: created, update: {} }));
}

export function createArtifacts({ prisma }: Connection) {
  return {
    record: (artifact: NewArtifact): Promise<Artifact> => recordArtifact(prisma, artifact),

    async get(digest: string): Promise<Artifact | null> {
      const row = await prisma.artifact.findUnique({ where: { digest } });
      return row && toArtifact(row);
    },
  };
}

export function createModels({ prisma }: Connection) {
  return {
    /** A model that a train stage has given. */
    async get(digest: string): Promise<Model | null> {
      const row = await prisma.model.findUnique({ where: { digest } });
      return row && { ...row, bytes: Number(row.bytes), createdAt: row.createdAt.toISOString() };
    },
  };
}
