import { type Job, fields, precision } from "./job.js";
import { asJson } from "./json.js";
import { LITTLE_ENDIAN, type Packed, pack } from "./safetensors.js";
import { type TensorLike, fills, flat, isArrayLike, shaped } from "./tensor.js";

/** What this form cannot hold, or not so that the service would see what is wrong with it. */
class CannotHold extends Error {}

interface Contents {
  readonly tensors: Record<string, Packed>;
  readonly metadata: Record<string, string>;
}

type Put = (into: Contents, name: string, value: unknown, job: Job) => void;

/** A job as safetensors; undefined where that form cannot hold it. Throws a RangeError for data that do not fill their shape. */
export function jobAsSafetensors(job: Job): Uint8Array | undefined {
  if (!LITTLE_ENDIAN) return undefined;
  const contents: Contents = { tensors: {}, metadata: {} };
  try {
    for (const [name, value] of fields(job)) (PUT.get(name) ?? unknown)(contents, name, value, job);
  } catch (error) {
    if (error instanceof CannotHold) return undefined;
    throw error;
  }
  return pack(contents.tensors, contents.metadata);
}

const unknown: Put = () => {
  throw new CannotHold();
};

const text: Put = ({ metadata }, name, value) => {
  if (typeof value !== "string") throw new CannotHold();
  metadata[name] = value;
};

/** The tensor of scores says it already, unless it is another. */
const dtype: Put = (into, name, value, job) => {
  if (value !== precision(job)) text(into, name, value, job);
};

const params: Put = ({ metadata }, name, value) => {
  metadata[name] = asJson(value);
};

const integer: Put = ({ metadata }, name, value) => {
  if (!Number.isSafeInteger(value)) throw new CannotHold();
  metadata[name] = String(value);
};

const numbers: Put = (into, name, value, job) => {
  if (typeof value !== "number") array(into, name, value, job);
  else if (Number.isFinite(value)) into.metadata[name] = asJson(value);
  else throw new CannotHold();
};

const array: Put = ({ tensors }, name, value, job) => {
  const found = shaped(value);
  if (!found) throw new CannotHold();
  fills(found.data, found.shape, name);
  tensors[name] = floats(found, job);
};

const mask: Put = ({ tensors }, name, value) => {
  const found = shaped(value);
  if (!found) throw new CannotHold();
  const { data, shape } = found;
  fills(data, shape, name);
  if (!Array.prototype.every.call(data, (each) => each === 0 || each === 1 || typeof each === "boolean")) throw new CannotHold();
  tensors[name] = { dtype: "BOOL", shape, bytes: Uint8Array.from(data as ArrayLike<number>) };
};

/** Lists of indices with their offsets; or indices, one a row. */
const labels: Put = ({ tensors }, name, value) => {
  if (!isArrayLike(value)) throw new CannotHold();
  const rows = lists(value);
  tensors[name] = integers(rows ? flat(rows) : Array.from(value));
  if (rows) tensors["label_offsets"] = integers(offsets(rows));
};

/** They go along with the labels one by one, so they must be nested alike. */
const labelWeights: Put = ({ tensors }, name, value, job) => {
  if (!isArrayLike(value) || !isArrayLike(job.labels) || value.length !== job.labels.length) throw new CannotHold();
  const [rows, labelRows] = [lists(value), lists(job.labels)];
  if (!rows !== !labelRows || rows?.some((row, n) => row.length !== labelRows?.[n]?.length)) throw new CannotHold();
  const data = rows ? flat(rows) : value;
  tensors[name] = floats({ data, shape: [data.length] }, job);
};

const PUT: ReadonlyMap<string, Put> = new Map<keyof Job, Put>([
  ...(["loss", "reduction", "mean_over", "runtime"] as const).map((name) => [name, text] as const),
  ...(["scores", "targets", "class_weight", "sample_weight", "element_weight"] as const).map((name) => [name, array] as const),
  ["pos_weight", numbers],
  ["grad_output", numbers],
  ["labels", labels],
  ["label_weights", labelWeights],
  ["mask", mask],
  ["ignore_index", integer],
  ["params", params],
  ["dtype", dtype],
]);

/** The rows, where every one is a list. */
function lists(value: ArrayLike<unknown>): ArrayLike<unknown>[] | undefined {
  const rows = Array.from(value);
  return rows.length && rows.every(isArrayLike) ? rows : undefined;
}

function offsets(rows: readonly ArrayLike<unknown>[]): number[] {
  let end = 0;
  return [0, ...rows.map((row) => (end += row.length))];
}

/** Arrays of a float type keep it; plain numbers take the precision of the job, unless it cannot hold one of them. */
function floats({ data, shape }: TensorLike<unknown>, job: Job): Packed {
  if (data instanceof Float32Array) return packedFloats("F32", data, shape);
  if (data instanceof Float64Array) return packedFloats("F64", data, shape);
  if (!Array.prototype.every.call(data, (each) => typeof each === "number")) throw new CannotHold();
  const wide = Float64Array.from(data as ArrayLike<number>);
  if (precision(job) === "float64") return packedFloats("F64", wide, shape);
  const narrow = Float32Array.from(wide);
  if (narrow.some((each, i) => Math.abs(each) === Infinity && each !== wide[i])) throw new CannotHold();
  return packedFloats("F32", narrow, shape);
}

function packedFloats(dtype: "F32" | "F64", { buffer, byteOffset, byteLength }: Float32Array | Float64Array, shape: readonly number[]): Packed {
  return { dtype, shape, bytes: new Uint8Array(buffer, byteOffset, byteLength) };
}

/** int64, in two halves: the lower and the upper 32 bits. */
function integers(values: readonly unknown[]): Packed {
  if (!values.every(Number.isSafeInteger)) throw new CannotHold();
  const halves = new Int32Array(2 * values.length);
  (values as number[]).forEach((value, i) => halves.set([value, Math.floor(value / 2 ** 32)], 2 * i));
  return { dtype: "I64", shape: [values.length], bytes: new Uint8Array(halves.buffer) };
}
