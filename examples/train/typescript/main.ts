// The training of ../README.md: loss and gradient come from gradwire, everything else is here.

import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Client, type Form, Tensor } from "gradwire";
import { type Data, readData } from "./data.js";
import { Layer, generator, shuffle } from "./network.js";

const DEFAULTS = { loss: "softmax_cross_entropy", dtype: "float64", form: "binary", runtime: "pytorch" };
const NUMBERS = { epochs: 20, batch: 64, hidden: 32, rate: 0.1, seed: 1 };

type Ask = (scores: Float64Array, labels: number[][]) => Promise<{ loss: number; grad: Float64Array }>;

function options() {
  const texts = { url: undefined, data: undefined, out: undefined, ...DEFAULTS, ...NUMBERS };
  const known = Object.entries(texts).map(([name, value]) => [name, { type: "string", ...(value !== undefined && { default: String(value) }) }]);
  const { values } = parseArgs({ options: Object.fromEntries(known) as Record<keyof typeof texts, { type: "string" }> });
  for (const [name, value] of Object.entries(values)) if (!value) throw new Error(`--${name} is empty`);
  for (const name of ["url", "data", "out"] as const) if (!values[name]) throw new Error(`--${name} is missing`);
  const given = values as Record<keyof typeof texts, string>;
  const recipe = Object.fromEntries(Object.keys(NUMBERS).map((name) => [name, number(name, given[name as keyof typeof NUMBERS])]));
  if (!["float32", "float64"].includes(given.dtype)) throw new Error(`--dtype is '${given.dtype}'; expected float32 or float64`);
  return { ...given, ...(recipe as typeof NUMBERS) };
}

function number(name: string, text: string): number {
  const value = Number(text);
  const well = name === "rate" ? Number.isFinite(value) : Number.isSafeInteger(value) && value >= (name === "seed" ? 0 : 1);
  if (!well) throw new Error(`--${name} is '${text}'; expected a ${name === "rate" ? "number" : "whole number"}`);
  return value;
}

/** The service's part: scores [N, C] of the batch -> its loss, and the gradient [N, C]. */
function service({ url, form, loss, dtype, runtime }: ReturnType<typeof options>, classes: number): Ask {
  const client = new Client(url, { form: form as Form });
  const Floats = dtype === "float64" ? Float64Array : Float32Array;
  return async (scores, labels) => {
    const tensor = new Tensor(Floats.from(scores), [labels.length, classes]);
    const reply = await client.grad({ loss, scores: tensor, labels, runtime: runtime as "pytorch" });
    return { loss: reply.loss, grad: Float64Array.from(reply.grad.data) };
  };
}

/** One batch: forward, the service, backward, descend. Returns the batch's loss. */
async function step([first, second]: readonly [Layer, Layer], { features, labels }: Data, rows: number[], rate: number, ask: Ask): Promise<number> {
  const x = new Float64Array(rows.length * first.inputs);
  rows.forEach((row, n) => x.set(features[row], n * first.inputs));
  const hidden = first.forward(x).map((each) => Math.max(each, 0));
  const { loss, grad } = await ask(second.forward(hidden), rows.map((row) => labels[row]));
  const below = second.backward(hidden, grad);
  first.backward(x, below.map((each, k) => (hidden[k] > 0 ? each : 0)));
  first.descend(rate);
  second.descend(rate);
  return loss;
}

async function main(): Promise<void> {
  const given = options();
  const data = readData(given.data);
  const next = generator(given.seed);
  const layers = [new Layer(data.inputs, given.hidden, next), new Layer(given.hidden, data.classes, next)] as const;
  const ask = service(given, data.classes);
  const order = data.features.map((_, n) => n);
  const began = performance.now();
  let [requests, total] = [0, 0];
  for (let epoch = 0; epoch < given.epochs; epoch++) {
    shuffle(order, next);
    total = 0;
    for (let start = 0; start < order.length; start += given.batch, requests++) {
      const rows = order.slice(start, start + given.batch);
      total += rows.length * (await step(layers, data, rows, given.rate, ask));
    }
  }
  const weights = layers.flatMap(({ weight, bias }) => [...weight, ...bias]);
  const head = [`seconds ${(performance.now() - began) / 1000}`, `requests ${requests}`, `loss ${digits(total / order.length)}`, `weights ${weights.length}`];
  writeFileSync(given.out, [...head, ...weights.map(digits), ""].join("\n"));
}

function digits(value: number): string {
  return value.toPrecision(17);
}

try {
  await main();
} catch (error) {
  console.error((error as Error).message.replaceAll("\n", "; "));
  process.exitCode = 1;
}
