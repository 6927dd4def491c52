/** Which part of an image a view shows. */
import type { Random } from '@rela/random';

/** In pixels of the image; may lie between pixels. */
export interface Box {
  top: number;
  left: number;
  height: number;
  width: number;
}

interface Size {
  height: number;
  width: number;
}

const ATTEMPTS = 10;

/**
 * Random resized crop (Szegedy et al. 2015), in whole pixels: `scale` bounds the share of the area, `ratio` width / height, drawn
 * from its logarithm. Where ten draws do not fit, the largest centred part within `ratio`, as in torchvision.
 */
export function randomResizedBox(
  { height, width }: Size,
  scale: readonly [number, number],
  ratio: readonly [number, number],
  random: Random,
): Box {
  const [lowest, highest] = [Math.log(ratio[0]), Math.log(ratio[1])];
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const area = height * width * (scale[0] + (scale[1] - scale[0]) * random.next());
    const aspect = Math.exp(lowest + (highest - lowest) * random.next());
    const boxWidth = Math.round(Math.sqrt(area * aspect));
    const boxHeight = Math.round(Math.sqrt(area / aspect));
    if (boxWidth < 1 || boxHeight < 1 || boxWidth > width || boxHeight > height) continue;
    return {
      top: random.int(height - boxHeight + 1),
      left: random.int(width - boxWidth + 1),
      height: boxHeight,
      width: boxWidth,
    };
  }
  const aspect = Math.min(Math.max(width / height, ratio[0]), ratio[1]);
  const boxWidth = Math.min(width, Math.round(height * aspect));
  const boxHeight = Math.min(height, Math.round(width / aspect));
  return {
    top: Math.floor((height - boxHeight) / 2),
    left: Math.floor((width - boxWidth) / 2),
    height: boxHeight,
    width: boxWidth,
  };
}

/** The largest centred square: resizing the short side and cropping the centre, in one. */
export function centredSquare({ height, width }: Size): Box {
  const side = Math.min(height, width);
  return { top: (height - side) / 2, left: (width - side) / 2, height: side, width: side };
}
