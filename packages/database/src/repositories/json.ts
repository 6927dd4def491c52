/** Values of JSON columns. They were validated when they came in; inside they are trusted (architecture, rule 8). */
import type { Prisma } from '../generated/client.js';

export function toJson(value: object): Prisma.InputJsonValue {
  return value as Prisma.InputJsonValue;
}

export function fromJson<T>(value: Prisma.JsonValue): T {
  return value as T;
}
