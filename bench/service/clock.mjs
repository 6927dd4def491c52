/** Milliseconds since 1970, with their fractions: the same clock in all processes of a machine. */
export const now = () => performance.timeOrigin + performance.now();
