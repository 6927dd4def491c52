/** What the metadata of a Parquet file of the Hugging Face hub say of its columns: key "huggingface", {info: {features}}. */
import type { FileMetaData } from 'hyparquet';
import { z } from 'zod';

export interface HubFeatures {
  /** Columns of images. */
  images: string[];
  /** Names of the classes, by column of labels. */
  classNames: Map<string, string[]>;
}

const Features = z.object({
  info: z.object({
    features: z.record(
      z.string(),
      z.looseObject({ _type: z.string().optional(), names: z.unknown().optional() }),
    ),
  }),
});
const Names = z.array(z.string()).min(1);

/** Nothing where there are no such metadata, or others than are known: the columns speak for themselves then. */
export function featuresOf(metadata: FileMetaData): HubFeatures {
  const found: HubFeatures = { images: [], classNames: new Map() };
  const text = metadata.key_value_metadata?.find(({ key }) => key === 'huggingface')?.value;
  for (const [column, { _type, names }] of Object.entries(parse(text)?.info.features ?? {})) {
    if (_type === 'Image') found.images.push(column);
    const known = Names.safeParse(names);
    if (_type === 'ClassLabel' && known.success) found.classNames.set(column, known.data);
  }
  return found;
}

function parse(text: string | undefined): z.infer<typeof Features> | undefined {
  if (text === undefined) return undefined;
  try {
    return Features.safeParse(JSON.parse(text)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
