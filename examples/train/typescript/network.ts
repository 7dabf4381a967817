/** x -> (1664525·x + 1013904223) mod 2³². */
export function generator(seed: number): () => number {
  let x = seed % 2 ** 32;
  return () => (x = (Math.imul(1664525, x) + 1013904223) >>> 0);
}

/** For i from the last row down to 1, rows i and j = ⌊x·(i+1) / 2³²⌋ change places. */
export function shuffle(order: number[], next: () => number): void {
  for (let i = order.length - 1; i >= 1; i--) {
    const j = Math.floor((next() * (i + 1)) / 2 ** 32);
    [order[i], order[j]] = [order[j], order[i]];
  }
}

/** Rows of numbers, one after another. */
export type Rows = Float64Array;

/** outputs = W·inputs + b, with its gradients and plain SGD. */
export class Layer {
  readonly weight: Float64Array;
  readonly bias: Float64Array;
  readonly #weightGrad: Float64Array;
  readonly #biasGrad: Float64Array;

  /** weight [out][in] row by row, then bias [out], each (x / 2³¹ − 1) / √in with the next x. */
  constructor(
    readonly inputs: number,
    readonly outputs: number,
    next: () => number,
  ) {
    const draw = (): number => (next() / 2 ** 31 - 1) / Math.sqrt(inputs);
    this.weight = new Float64Array(inputs * outputs).map(draw);
    this.bias = new Float64Array(outputs).map(draw);
    this.#weightGrad = new Float64Array(inputs * outputs);
    this.#biasGrad = new Float64Array(outputs);
  }

  /** x [N, inputs] -> [N, outputs]. */
  forward(x: Rows): Rows {
    const { inputs, outputs, weight, bias } = this;
    const y = new Float64Array((x.length / inputs) * outputs);
    for (let n = 0, at = 0; n < x.length; n += inputs) {
      for (let o = 0; o < outputs; o++) {
        let sum = bias[o];
        for (let i = 0; i < inputs; i++) sum += weight[o * inputs + i] * x[n + i];
        y[at++] = sum;
      }
    }
    return y;
  }

  /** x [N, inputs] and d loss / d outputs [N, outputs] -> d loss / d x; keeps the gradients for `descend`. */
  backward(x: Rows, above: Rows): Rows {
    const { inputs, outputs, weight } = this;
    const [weightGrad, biasGrad] = [this.#weightGrad.fill(0), this.#biasGrad.fill(0)];
    const below = new Float64Array(x.length);
    for (let at = 0; at < above.length; at++) {
      const [o, slope, row] = [at % outputs, above[at], Math.floor(at / outputs) * inputs];
      biasGrad[o] += slope;
      for (let i = 0; i < inputs; i++) {
        weightGrad[o * inputs + i] += slope * x[row + i];
        below[row + i] += slope * weight[o * inputs + i];
      }
    }
    return below;
  }

  /** parameter −= rate · gradient. */
  descend(rate: number): void {
    for (let k = 0; k < this.weight.length; k++) this.weight[k] -= rate * this.#weightGrad[k];
    for (let k = 0; k < this.bias.length; k++) this.bias[k] -= rate * this.#biasGrad[k];
  }
}
