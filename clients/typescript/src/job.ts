import { type TensorLike, isArrayLike, isTensorLike } from "./tensor.js";

/** `[N, C]`: rows of numbers, or a `Tensor`, or anything with `data` and `shape`. */
export type Matrix = readonly ArrayLike<number>[] | TensorLike;
/** `[N]` or `[C]` numbers. */
export type Vector = ArrayLike<number>;
export type Reduction = "none" | "sum" | "mean";
export type MeanOver = "rows" | "elements" | "weights" | "valid" | "positives";
export type Dtype = "float32" | "float64";

/**
 * One batch and what is asked of it: N rows (samples), C classes.
 *
 * The names are those of the wire, for they are what the service's errors point at. What is left out is not sent: the service has the
 * defaults. Exactly one of `targets` and `labels` is needed.
 */
export interface Job {
  /** A name or alias of the catalogue, `GET /losses`; default `softmax_cross_entropy`. */
  loss?: string;
  /** The loss's own parameters, such as `{ gamma: 1.5 }`. */
  params?: Readonly<Record<string, unknown>>;
  /** `[N, C]` raw scores (logits); -Infinity masks a class (binary form only). */
  scores: Matrix;
  /** `[N, C]` dense labels. */
  targets?: Matrix;
  /** `[N]` lists of class indices from 0, or `[N]` indices, one a row. */
  labels?: readonly ArrayLike<number>[] | ArrayLike<number>;
  /** Nested like `labels`; default 1 for each. */
  label_weights?: readonly ArrayLike<number>[] | ArrayLike<number>;
  /** `[C]`: multiplies each class's term. */
  class_weight?: Vector;
  /** `[C]` or a number: multiplies the term of the positives; element losses. */
  pos_weight?: number | Vector;
  /** `[N]`: multiplies each row. */
  sample_weight?: Vector;
  /** `[N, C]`: multiplies each element; element losses. */
  element_weight?: Matrix;
  /** `[N, C]` of 0 or false (this label is unknown) and 1 or true. */
  mask?: readonly ArrayLike<number | boolean>[] | TensorLike<number | boolean>;
  /** A row of `labels` that holds just this value is left out. */
  ignore_index?: number;
  /** Default `mean`. */
  reduction?: Reduction;
  /** What `mean` divides by; each loss has a default. */
  mean_over?: MeanOver;
  /** The gradient from above: a number, or the unreduced loss's shape with reduction `none`; `grad` only, default 1. */
  grad_output?: number | Vector | Matrix;
  /** Default: that of a Float64Array or Float32Array of scores; float32 for plain numbers, as in the service's JSON. */
  dtype?: Dtype;
  runtime?: "pytorch" | "onnx";
}

/** The precision that the scores bring with them. */
export function precision(job: Job): Dtype {
  const { scores } = job;
  const data: unknown = isTensorLike(scores) ? scores.data : isArrayLike(scores) ? scores[0] : undefined;
  if (data instanceof Float64Array) return "float64";
  return data instanceof Float32Array ? "float32" : (plainDtype(job) ?? "float32");
}

/** Plain numbers take the precision that is asked for, if it is one. */
function plainDtype({ dtype }: Job): Dtype | undefined {
  return dtype === "float64" || dtype === "float32" ? dtype : undefined;
}

/** The fields that are there; undefined and null stand for what is left out. */
export function fields(job: Job): [string, unknown][] {
  return Object.entries(job).filter(([, value]) => value !== undefined && value !== null);
}
