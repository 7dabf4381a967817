import type { Answer } from "./exchange.js";
import { BadReply, type FieldError, type Problem, Refused } from "./errors.js";
import { type Dtype, type Job, precision } from "./job.js";
import { type Packed, brief, unpack } from "./safetensors.js";
import { type Floats, Tensor, isTensorLike, shaped } from "./tensor.js";

export type Form = "binary" | "json";
export const MEDIA_TYPES = { binary: "application/vnd.safetensors", json: "application/json" } as const;
const PROBLEM = "application/problem+json";

/** `L` is a number; with reduction `none` a `Tensor` `[N]` or `[N, C]`, the loss's own unit. */
export interface LossReply<L extends number | Tensor = number | Tensor> {
  readonly loss: L;
  /** Names this request in the service's log. */
  readonly requestId: string | undefined;
}

export interface GradReply<L extends number | Tensor = number | Tensor> extends LossReply<L> {
  /** `[N, C]`: d(sum of grad_output · loss) / d(scores). */
  readonly grad: Tensor;
}

/** What a reply must be to be believed. */
export interface Expected {
  readonly address: string;
  readonly form: Form;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly reduced: boolean;
  readonly withGrad: boolean;
}

export function expected(address: string, form: Form, job: Job, withGrad: boolean): Expected {
  const shape = isTensorLike(job.scores) ? job.scores.shape : (shaped(job.scores)?.shape ?? []);
  return { address, form, dtype: job.dtype ?? precision(job), shape, reduced: job.reduction !== "none", withGrad };
}

/** An answer as a reply; throws Refused, or BadReply. */
export function read(answer: Answer, wanted: Expected): LossReply | GradReply {
  const bad = (found: string, instead: string): BadReply => new BadReply(wanted.address, found, instead, answer.requestId);
  if (answer.status !== 200) throw refusal(answer) ?? bad(kind(answer), `200, or a refusal as ${PROBLEM}`);
  if (answer.mediaType !== MEDIA_TYPES[wanted.form]) throw bad(kind(answer), MEDIA_TYPES[wanted.form]);
  const values = attempt(() => (wanted.form === "json" ? fromJson(answer.body, wanted.dtype) : fromTensors(answer.body, wanted.dtype)), (why) =>
    bad(why, wanted.form === "json" ? "a JSON object with finite numbers" : `safetensors of ${wanted.dtype}`),
  );
  const loss = values.get("loss");
  if (!loss || !isLossShape(loss.shape, wanted)) throw bad(`a loss ${of(loss)}`, wanted.reduced ? "a number" : "a loss a row, or one an element");
  const reply = { loss: wanted.reduced ? (loss.data[0] as number) : loss, requestId: answer.requestId };
  if (!wanted.withGrad) return reply;
  const grad = values.get("grad");
  if (!grad || !same(grad.shape, wanted.shape)) throw bad(`a grad ${of(grad)}`, `the shape [${wanted.shape.join(", ")}] of the scores`);
  return { ...reply, grad };
}

/** With reduction `none` a loss has its own unit: the batch, a row, or an element. */
function isLossShape(shape: readonly number[], { reduced, shape: scores }: Expected): boolean {
  return reduced ? !shape.length : same(shape, scores.slice(0, shape.length));
}

function same(one: readonly number[], other: readonly number[]): boolean {
  return one.length === other.length && one.every((each, i) => each === other[i]);
}

function of(tensor: Tensor | undefined): string {
  return tensor ? `of shape [${tensor.shape.join(", ")}]` : "that is missing";
}

/** A status and a media type, as a person would say them. */
function kind({ status, mediaType, location }: Answer): string {
  const what = status === 0 || (status >= 300 && status < 400) ? `a redirect${location ? ` to ${location}` : ""}` : mediaType || "no media type";
  return status === 0 ? what : `${what} with status ${status}`;
}

function attempt<T>(work: () => T, otherwise: (why: string) => Error): T {
  try {
    return work();
  } catch (error) {
    throw otherwise((error as Error).message);
  }
}

const text = new TextDecoder("utf-8", { fatal: true });

function fromJson(body: Uint8Array, dtype: Dtype): Map<string, Tensor> {
  const found: unknown = JSON.parse(text.decode(body));
  if (typeof found !== "object" || found === null || Array.isArray(found)) throw new Error(shortened(found));
  const members = Object.entries(found).filter(([name]) => name === "loss" || name === "grad");
  return new Map(members.map(([name, value]) => [name, numbers(name, value, dtype)]));
}

function numbers(name: string, value: unknown, dtype: Dtype): Tensor {
  const { data, shape } = shaped(value) ?? { data: [undefined], shape: [] };
  if (!Array.prototype.every.call(data, Number.isFinite)) throw new Error(`${shortened(value)} for '${name}'`);
  const plain = data as ArrayLike<number>;
  return new Tensor(dtype === "float64" ? Float64Array.from(plain) : Float32Array.from(plain), shape);
}

/** A value in at most a line; deep nesting is not followed. */
function shortened(value: unknown): string {
  try {
    return brief(value);
  } catch {
    return "deeply nested lists";
  }
}

function fromTensors(body: Uint8Array, dtype: Dtype): Map<string, Tensor> {
  const wanted = Object.entries(unpack(body)).filter(([name]) => name === "loss" || name === "grad");
  return new Map(wanted.map(([name, packed]) => [name, new Tensor(floats(name, packed, dtype), packed.shape)]));
}

/** Copied, so that they are aligned and the reply is let go. */
function floats(name: string, { dtype, bytes }: Packed, wanted: Dtype): Floats {
  if (dtype !== (wanted === "float64" ? "F64" : "F32")) throw new Error(`'${name}' as ${dtype}`);
  const { buffer } = bytes.slice();
  return wanted === "float64" ? new Float64Array(buffer) : new Float32Array(buffer);
}

/** The problem that was answered, if it is one. */
function refusal({ status, mediaType, body, retryAfter, requestId }: Answer): Refused | undefined {
  if (mediaType !== PROBLEM || status < 400) return undefined;
  try {
    return new Refused({ ...problem(JSON.parse(text.decode(body))), status }, retryAfter, requestId);
  } catch {
    return undefined;
  }
}

function problem(found: Partial<Record<keyof Problem, unknown>> | null): Omit<Problem, "status"> {
  if (typeof found?.detail !== "string") throw new Error("no detail");
  const errors = Array.isArray(found.errors) ? found.errors.filter(isFieldError) : [];
  return { title: String(found.title ?? ""), detail: found.detail, errors };
}

function isFieldError(value: unknown): value is FieldError {
  const { pointer, detail } = (value ?? {}) as Record<string, unknown>;
  return typeof pointer === "string" && typeof detail === "string";
}
