// The two passes of resampling in WebAssembly with SIMD (AssemblyScript; built into dist/resample.wasm). Lanes are float32 and
// summed tap by tap, so that every processor gives the same bits. Memory is laid out by the caller, src/resample.ts.

/** Bytes of pixels in three colours, one row, to floats [3, kept]. `first`: byte at which each column's first tap lies. */
export function narrowColour(
  source: usize,
  first: usize,
  count: usize,
  weights: usize,
  stride: i32,
  kept: i32,
  into: usize,
): void {
  for (let column = 0; column < kept; column++) {
    let from = source + load<i32>(first + (column << 2));
    let weight = weights + column * (stride << 2);
    const end = weight + (load<i32>(count + (column << 2)) << 2);
    let sum = f32x4.splat(0);
    for (; weight < end; weight += 4) {
      const pixel = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(from)));
      sum = f32x4.add(sum, f32x4.mul(v128.load32_splat(weight), f32x4.convert_i32x4_u(pixel)));
      from += 3;
    }
    const at = into + (column << 2);
    store<f32>(at, f32x4.extract_lane(sum, 0));
    store<f32>(at + (kept << 2), f32x4.extract_lane(sum, 1));
    store<f32>(at + (kept << 3), f32x4.extract_lane(sum, 2));
  }
}

/** The same of grey pixels, to floats [kept]. */
export function narrowGrey(
  source: usize,
  first: usize,
  count: usize,
  weights: usize,
  stride: i32,
  kept: i32,
  into: usize,
): void {
  for (let column = 0; column < kept; column++) {
    let from = source + load<i32>(first + (column << 2));
    let weight = weights + column * (stride << 2);
    const end = weight + (load<i32>(count + (column << 2)) << 2);
    let sum: f32 = 0;
    for (; weight < end; weight += 4) sum += load<f32>(weight) * <f32>load<u8>(from++);
    store<f32>(into + (column << 2), sum);
  }
}

/**
 * The weighted sum of `taps` runs of `bytes` bytes, a row of `rowBytes` apart, times `scale` plus `shift`. Sixteen bytes a turn: up to
 * twelve behind the run are written.
 */
export function sumRows(
  source: usize,
  rowBytes: i32,
  bytes: i32,
  taps: i32,
  weights: usize,
  scale: f32,
  shift: f32,
  into: usize,
): void {
  const factor = f32x4.splat(scale);
  const summand = f32x4.splat(shift);
  for (let at = 0; at < bytes; at += 16) {
    let sum = f32x4.splat(0);
    let from = source + at;
    let weight = weights;
    for (let tap = 0; tap < taps; tap++) {
      sum = f32x4.add(sum, f32x4.mul(v128.load32_splat(weight), v128.load(from)));
      from += rowBytes;
      weight += 4;
    }
    v128.store(into + at, f32x4.add(f32x4.mul(sum, factor), summand));
  }
}
