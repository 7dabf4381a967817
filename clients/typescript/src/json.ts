import { type Job, fields, precision } from "./job.js";
import { fills, isArrayLike, isTensorLike } from "./tensor.js";

const DEEPEST = 64;

/** A job as JSON. Whatever it holds is written down, wrong or not, so that the service can say what is wrong with it. */
export function jobAsJson(job: Job): string {
  const dtype = !job.dtype && precision(job) === "float64" ? { dtype: "float64" } : {};
  const members = [...fields(job), ...Object.entries(dtype)];
  return `{${members.map(([name, value]) => `${JSON.stringify(name)}:${field(name, value)}`).join(",")}}`;
}

function field(name: string, value: unknown): string {
  if (!isTensorLike(value)) return asJson(value);
  fills(value.data, value.shape, name);
  return asJson(nested(Array.from(value.data), value.shape));
}

/** Numbers in one row -> lists of lists. */
function nested(data: unknown[], shape: readonly number[]): unknown {
  if (!shape.length) return data[0];
  const [count = 0, ...inner] = shape;
  if (!inner.length) return data;
  const step = data.length / count;
  return Array.from({ length: count }, (_, n) => nested(data.slice(n * step, (n + 1) * step), inner));
}

/** JSON, but with the bare tokens NaN and Infinity, and -0 with its sign: every number reads back as the same float64. */
export function asJson(value: unknown, depth = 0): string {
  if (depth > DEEPEST) throw new TypeError(`a value of a job is nested deeper than ${DEEPEST}`);
  if (typeof value === "number") return Object.is(value, -0) ? "-0.0" : String(value);
  if (typeof value === "bigint") return String(value);
  const inner = (each: unknown): string => asJson(each, depth + 1);
  if (isArrayLike(value)) return `[${Array.from(value, inner).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const members = Object.entries(value).filter(([, each]) => each !== undefined);
  return `{${members.map(([name, each]) => `${JSON.stringify(name)}:${inner(each)}`).join(",")}}`;
}
