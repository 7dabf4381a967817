import { size } from "./tensor.js";

/** A tensor as bytes; numbers lie as in memory, little-endian. */
export interface Packed {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** Whether this machine's memory is what the format wants; nearly every one's is. */
export const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
export const WIDTHS: Readonly<Record<string, number>> = { F64: 8, I64: 8, F32: 4, BOOL: 1 };
const ALIGNMENT = 8;
const LENGTH_BYTES = 8;

/** 8 bytes of header length, the header, the tensors: the widest first, so that each is aligned. */
export function pack(tensors: Readonly<Record<string, Packed>>, metadata: Readonly<Record<string, string>>): Uint8Array {
  const order = Object.entries(tensors).sort(([, a], [, b]) => (WIDTHS[b.dtype] ?? 0) - (WIDTHS[a.dtype] ?? 0));
  const header: Record<string, unknown> = Object.keys(metadata).length ? { __metadata__: metadata } : {};
  let end = 0;
  for (const [name, { dtype, shape, bytes }] of order) header[name] = { dtype, shape, data_offsets: [end, (end += bytes.length)] };
  const text = new TextEncoder().encode(JSON.stringify(header));
  const begin = LENGTH_BYTES + Math.ceil(text.length / ALIGNMENT) * ALIGNMENT;
  const body = new Uint8Array(begin + end).fill(0x20, LENGTH_BYTES, begin);
  new DataView(body.buffer).setUint32(0, begin - LENGTH_BYTES, true);
  body.fill(0, 4, LENGTH_BYTES);
  body.set(text, LENGTH_BYTES);
  order.reduce((place, [, { bytes }]) => (body.set(bytes, place), place + bytes.length), begin);
  return body;
}

/** The tensors of a reply, as views of it. Throws an Error that says what is wrong with it. */
export function unpack(body: Uint8Array): Record<string, Packed> {
  if (body.length < LENGTH_BYTES) throw new Error(`${body.length} bytes, fewer than the length of a header has`);
  const length = new DataView(body.buffer, body.byteOffset).getBigUint64(0, true);
  const begin = LENGTH_BYTES + Number(length);
  if (begin > body.length) throw new Error(`a header of ${length} bytes in a reply of ${body.length}`);
  const header: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body.subarray(LENGTH_BYTES, begin)));
  if (typeof header !== "object" || header === null || Array.isArray(header)) throw new Error("a header that is no object");
  const named = Object.entries(header).filter(([name]) => name !== "__metadata__");
  return Object.fromEntries(named.map(([name, entry]) => [name, tensor(name, entry, body.subarray(begin))]));
}

function tensor(name: string, entry: unknown, data: Uint8Array): Packed {
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Record<string, unknown>;
  if (typeof dtype !== "string" || !areCounts(shape) || !areCounts(offsets)) {
    throw new Error(`the entry ${brief(entry)} for the tensor '${name}'`);
  }
  const [begin = NaN, end = NaN] = offsets;
  const width = WIDTHS[dtype];
  if (!(begin <= end && end <= data.length)) throw new Error(`'${name}' at bytes ${begin} to ${end} of ${data.length}`);
  if (width !== undefined && end - begin !== width * size(shape)) {
    throw new Error(`'${name}' with ${end - begin} bytes for ${dtype} [${shape.join(", ")}]`);
  }
  return { dtype, shape, bytes: data.subarray(begin, end) };
}

function areCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((each) => Number.isSafeInteger(each) && each >= 0);
}

/** A value in at most a line. */
export function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length <= 80 ? text : `${text.slice(0, 79)}…`;
}
