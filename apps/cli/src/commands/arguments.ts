/** Arguments as the command line gives them, turned into values. What a value may be is the service's to say. */
import { InvalidArgumentError } from 'commander';

export function parseNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('It has to be a number.');
  return value;
}

/** A whole number from 1. */
export function parseCount(text: string): number {
  const value = parseNumber(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('It has to be a whole number from 1.');
  return value;
}

/** `0.5` or `0.485,0.456,0.406`. */
export function parseNumbers(text: string): number[] {
  return text.split(',').map(parseNumber);
}

/** `team=vision`, given as often as there are labels. */
export function parseLabel(text: string, earlier: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('It has to be key=value, such as team=vision.');
  return { ...earlier, [text.slice(0, at)]: text.slice(at + 1) };
}

export function parseUrl(text: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol))
    throw new InvalidArgumentError('It has to be an address such as http://127.0.0.1:8080.');
  return text;
}

/** The properties that were given. */
export function given<T extends object>(properties: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(properties).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
