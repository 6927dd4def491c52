/**
 * Colour, in place, on floats from 0 to 1: [pixels, 1] or [pixels, 3]. The definitions are torchvision's. On grey images saturation,
 * hue and greying change nothing.
 */

/** ITU-R 601 luma, as PIL and torchvision weigh it. */
const RED = 0.299;
const GREEN = 0.587;
const BLUE = 0.114;

export type Channels = 1 | 3;

export function brighten(pixels: Float32Array, factor: number): void {
  for (let index = 0; index < pixels.length; index++) pixels[index] = clamp(pixels[index]! * factor);
}

/** Moves every value away from the mean luma, or towards it. */
export function contrast(pixels: Float32Array, channels: Channels, factor: number): void {
  const mean = meanLuma(pixels, channels) * (1 - factor);
  for (let index = 0; index < pixels.length; index++) pixels[index] = clamp(pixels[index]! * factor + mean);
}

/** Moves every pixel away from its luma, or towards it. */
export function saturate(pixels: Float32Array, channels: Channels, factor: number): void {
  if (channels === 1) return;
  for (let index = 0; index < pixels.length; index += 3) {
    const grey = luma(pixels, index) * (1 - factor);
    for (let channel = index; channel < index + 3; channel++)
      pixels[channel] = clamp(pixels[channel]! * factor + grey);
  }
}

/** Turns the hue of HSV by `turn` of a full turn, −0.5 to 0.5. */
export function turnHue(pixels: Float32Array, channels: Channels, turn: number): void {
  if (channels === 1 || turn === 0) return;
  for (let index = 0; index < pixels.length; index += 3) {
    const red = pixels[index]!;
    const green = pixels[index + 1]!;
    const blue = pixels[index + 2]!;
    const value = Math.max(red, green, blue);
    const chroma = value - Math.min(red, green, blue);
    if (chroma === 0) continue; // grey has no hue
    const sector = 6 * turn + hueSector(red, green, blue, value, chroma) + 12;
    pixels[index] = value - chroma * fall(sector + 5);
    pixels[index + 1] = value - chroma * fall(sector + 3);
    pixels[index + 2] = value - chroma * fall(sector + 1);
  }
}

export function grey(pixels: Float32Array, channels: Channels): void {
  if (channels === 1) return;
  for (let index = 0; index < pixels.length; index += 3) pixels.fill(luma(pixels, index), index, index + 3);
}

/** Inverts what is at least one half. */
export function solarize(pixels: Float32Array): void {
  for (let index = 0; index < pixels.length; index++)
    if (pixels[index]! >= 0.5) pixels[index] = 1 - pixels[index]!;
}

function clamp(value: number): number {
  return Math.min(Math.max(value, 0), 1);
}

function luma(pixels: Float32Array, index: number): number {
  return RED * pixels[index]! + GREEN * pixels[index + 1]! + BLUE * pixels[index + 2]!;
}

function meanLuma(pixels: Float32Array, channels: Channels): number {
  let sum = 0;
  if (channels === 1) for (let index = 0; index < pixels.length; index++) sum += pixels[index]!;
  else for (let index = 0; index < pixels.length; index += 3) sum += luma(pixels, index);
  return (sum * channels) / pixels.length;
}

/** Hue in sixths of a turn, −1 to 5. */
function hueSector(red: number, green: number, blue: number, value: number, chroma: number): number {
  if (value === red) return (green - blue) / chroma;
  if (value === green) return 2 + (blue - red) / chroma;
  return 4 + (red - green) / chroma;
}

/** How far a channel lies below the value, in shares of the chroma: max(0, min(k, 4 − k, 1)) for k = sector mod 6. */
function fall(sector: number): number {
  const k = sector % 6;
  return Math.max(0, Math.min(k, 4 - k, 1));
}
