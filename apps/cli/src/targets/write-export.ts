/** `rela targets export`, apart from the other commands: what reads and writes its files takes longer to load than all of those together. */
import type { ExportFormat } from '@rela/contracts';
import { exportTargets } from '@rela/datasets';
import type { DataServer } from '@rela/storage';
import { untilInterrupted } from '../commands/interrupt.js';
import type { Session } from '../commands/session.js';
import { createDisplay } from '../follow/display.js';
import { UsageError } from '../output/failure.js';
import { formatProperties } from '../output/table.js';
import { openExportPlace } from './export-place.js';
import { openExportSource } from './export-source.js';
import { findTargets } from './find-targets.js';

/** As they are given on the command line. */
export interface ExportOptions {
  format: ExportFormat;
  output: string;
  k?: number;
  images?: boolean;
  labels: boolean;
  shardSize: number;
  force?: true;
}

/** @throws UsageError, ProblemError `not-found` where there are no such targets or their bytes are gone */
export async function writeExport(
  { client, output }: Session,
  server: DataServer,
  reference: string,
  options: ExportOptions,
) {
  const { format, shardSize, labels, k } = options;
  // A sample of a WebDataset is its image and what belongs to it.
  const images = options.images ?? (format === 'webdataset' && labels);
  if (images && !labels) throw new UsageError('--images need the labels: leave --no-labels out.');
  const targets = await findTargets(client, reference, k);
  const display = output.json ? null : createDisplay(1);
  let folder = '';
  try {
    const manifest = await untilInterrupted(
      'What is written stays: the same command goes on from there.',
      async (signal) => {
        const place = openExportPlace(options.output, server, signal);
        folder = place.name;
        return exportTargets(await openExportSource(client, targets, signal), {
          ...{ place, format, shardSize, images, labels, signal },
          force: options.force === true,
          onProgress: (done, total) =>
            display?.show([
              {
                ...{ key: 'export', label: `export ${format}`, share: done / total },
                state: done === total ? 'done' : 'running',
                text: `${done}/${total} rows`,
              },
            ]),
        });
      },
    );
    display?.close();
    const files = manifest.shards.flatMap((shard) => shard.files);
    output.result({ folder, ...manifest }, () =>
      formatProperties({
        folder,
        format,
        rows: manifest.count,
        k: manifest.k,
        labels: manifest.labels ? 'yes' : 'no',
        images: manifest.images ? 'yes' : 'no',
        files: `${files.length}, listed in targets.json`,
      }),
    );
  } finally {
    display?.close();
  }
}
