/**
 * Protocol-buffer messages as lists of raw fields. A field keeps its own bytes, so that a message is rewritten without
 * loss: what nobody here knows by name (weights, functions, fields of newer ONNX versions) travels as it came.
 */
import protobuf from 'protobufjs/minimal.js';

export interface Field {
  id: number;
  wireType: number;
  /** The field as it stands in the message, tag included. */
  raw: Uint8Array;
  /** Payload of a length-delimited field, empty for the other wire types. */
  body: Uint8Array;
  /** Value of a varint field, 0 for the other wire types. 64-bit values above 2^53 lose digits. */
  value: number;
}

const VARINT = 0;
const DELIMITED = 2;

/** More than any message of a real model has; a crafted file must not fill the memory with fields of one byte. */
const MAX_FIELDS = 1_000_000;

/** @throws RangeError or Error of protobufjs where the bytes end early or are no message */
export function readFields(message: Uint8Array): Field[] {
  const reader = protobuf.Reader.create(message);
  const fields: Field[] = [];
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const tag = reader.uint32();
    const field: Field = { id: tag >>> 3, wireType: tag & 7, raw: message, body: new Uint8Array(), value: 0 };
    if (field.id === 0) throw new RangeError(`field number 0 at byte ${start}`);
    if (field.wireType === DELIMITED) {
      const length = reader.uint32();
      const from = reader.pos;
      reader.skip(length);
      field.body = message.subarray(from, reader.pos);
    } else if (field.wireType === VARINT) {
      field.value = Number(reader.int64());
    } else {
      reader.skipType(field.wireType);
    }
    field.raw = message.subarray(start, reader.pos);
    if (fields.push(field) > MAX_FIELDS) throw new RangeError(`more than ${MAX_FIELDS} fields in a message`);
  }
  return fields;
}

export const bodiesOf = (fields: readonly Field[], id: number): Uint8Array[] =>
  fields.filter((field) => field.id === id && field.wireType === DELIMITED).map((field) => field.body);

export const textOf = (fields: readonly Field[], id: number): string => {
  const body = bodiesOf(fields, id).at(-1);
  return body === undefined ? '' : Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString();
};

export const textsOf = (fields: readonly Field[], id: number): string[] =>
  bodiesOf(fields, id).map((body) => Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString());

/** The value of a varint field, `otherwise` where it is absent. */
export const integerOf = (fields: readonly Field[], id: number, otherwise: number): number =>
  fields.filter((field) => field.id === id && field.wireType === VARINT).at(-1)?.value ?? otherwise;

/** The integers of a repeated field, packed or not. */
export const integersOf = (fields: readonly Field[], id: number): number[] =>
  fields
    .filter((field) => field.id === id)
    .flatMap((field) => (field.wireType === DELIMITED ? unpacked(field.body) : [field.value]));

function unpacked(body: Uint8Array): number[] {
  const reader = protobuf.Reader.create(body);
  const values: number[] = [];
  while (reader.pos < reader.len) values.push(Number(reader.int64()));
  return values;
}

/** Builds one message: bytes and text as length-delimited fields, numbers as varints. */
export class MessageWriter {
  private readonly parts: Uint8Array[] = [];
  private size = 0;

  raw(field: Uint8Array): this {
    this.parts.push(field);
    this.size += field.length;
    return this;
  }

  /** @param body a message that is written, or a writer, whose parts are then not copied twice */
  message(id: number, body: Uint8Array | MessageWriter): this {
    const head = protobuf.Writer.create()
      .uint32((id << 3) | DELIMITED)
      .uint32(body.length)
      .finish();
    this.raw(head);
    if (body instanceof Uint8Array) return this.raw(body);
    for (const part of body.parts) this.raw(part);
    return this;
  }

  text(id: number, text: string): this {
    return this.message(id, Buffer.from(text));
  }

  integer(id: number, value: number): this {
    return this.raw(
      protobuf.Writer.create()
        .uint32((id << 3) | VARINT)
        .int64(value)
        .finish(),
    );
  }

  /** Bytes so far. */
  get length(): number {
    return this.size;
  }

  finish(): Uint8Array {
    return Buffer.concat(this.parts);
  }
}
