export type Floats = Float32Array | Float64Array;

/** Numbers of some shape, row by row. Whatever has these two members may be given. */
export interface TensorLike<T = number> {
  readonly data: ArrayLike<T>;
  readonly shape: readonly number[];
}

/** Float32 or float64 numbers of some shape, row by row. */
export class Tensor implements TensorLike {
  /** `data` is not copied. Throws a RangeError if it does not fill the shape. */
  constructor(
    readonly data: Floats,
    readonly shape: readonly number[],
  ) {
    fills(data, shape, "data");
  }

  /** Row n of a matrix: a view, not a copy. */
  row(n: number): Floats {
    const [rows = 0, columns = 1] = this.shape;
    if (!(n >= 0 && n < rows)) throw new RangeError(`row ${n} of a tensor of shape [${this.shape.join(", ")}]`);
    return this.data.subarray(n * columns, (n + 1) * columns);
  }

  /** The rows of a matrix, as views. */
  *[Symbol.iterator](): Generator<Floats, void, undefined> {
    for (let n = 0; n < (this.shape[0] ?? 0); n++) yield this.row(n);
  }

  /** The rows of a matrix as plain arrays, copied. */
  toArrays(): number[][] {
    return Array.from(this, (row) => Array.from(row));
  }
}

export function isTensorLike(value: unknown): value is TensorLike<unknown> {
  return typeof value === "object" && value !== null && "data" in value && "shape" in value && isArrayLike(value.data);
}

export function isArrayLike(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

/** How many numbers a shape holds; 1 for []. */
export function size(shape: readonly number[]): number {
  return shape.reduce((product, each) => product * each, 1);
}

/** Throws a RangeError if the data do not fill the shape. */
export function fills(data: ArrayLike<unknown>, shape: readonly number[], name: string): void {
  if (data.length === size(shape)) return;
  throw new RangeError(`${name}: ${data.length} numbers do not fill the shape [${shape.join(", ")}], which holds ${size(shape)}`);
}

/** Numbers, lists of them, or lists of lists of one length -> their shape and the numbers in one row; undefined: ragged, or no numbers. */
export function shaped(value: unknown): TensorLike<unknown> | undefined {
  if (isTensorLike(value)) return value;
  if (!isArrayLike(value)) return typeof value === "number" ? { data: [value], shape: [] } : undefined;
  if (!isArrayLike(value[0])) return { data: value, shape: [value.length] };
  const rows = Array.from(value);
  const columns = value[0].length;
  if (!rows.every((row): row is ArrayLike<unknown> => isArrayLike(row) && row.length === columns)) return undefined;
  return { data: flat(rows), shape: [rows.length, columns] };
}

/** Lists one after another. */
export function flat(rows: readonly ArrayLike<unknown>[]): unknown[] {
  return rows.flatMap((row) => Array.from(row));
}
