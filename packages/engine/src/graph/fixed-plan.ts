/** Which convolutions are written as Winograd's where nothing was timed: the same on every machine, so that runs can be reproduced. */
import type { ConvolutionShape } from './winograd.js';
import type { TileSize } from './winograd-matrices.js';

/** Below, the transforms cost more than the products save: no gain at 64, a fifth at 128. */
const FEWEST_CHANNELS = 128;
/** On larger maps the rounding of the transforms adds up beyond twice that of a plain float32 gradient (bench/README.md). */
const LARGEST_SIDE = 16;

export function fixedTileSize({ height, width, channels, filters }: ConvolutionShape): TileSize | null {
  if (Math.min(channels, filters) < FEWEST_CHANNELS) return null;
  return Math.max(height, width) <= LARGEST_SIDE ? 4 : null;
}
