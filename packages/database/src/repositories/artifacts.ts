/** What is known of blobs in storage: uploaded artifacts, and the models that runs have trained. */
import type { Artifact, Model } from '@rela/contracts';
import type { Connection } from '../connection.js';
import type { Artifact as ArtifactRow } from '../generated/client.js';

function toArtifact(row: ArtifactRow): Artifact {
  return { ...row, bytes: Number(row.bytes), createdAt: row.createdAt.toISOString() };
}

export function createArtifacts({ prisma }: Connection) {
  return {
    /** The first record of a digest stays: the same bytes are the same artifact. */
    async record(artifact: { digest: string; bytes: number; mediaType: string }): Promise<Artifact> {
      const { digest } = artifact;
      return toArtifact(await prisma.artifact.upsert({ where: { digest }, create: artifact, update: {} }));
    },

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
