/** A decoded image, as any reader of data sets may hand it over. */
export interface DecodedImage {
  /** Unsigned bytes [height, width, channels]. */
  data: Uint8Array;
  height: number;
  width: number;
  channels: 1 | 3;
}
