// A multi-label classifier trained in plain JavaScript: Node 18 or newer, no package.
//
// The network, its derivative and its optimizer are here; the loss and its gradient with respect to the scores come from gradwire,
// and nothing else does. `python examples/digits.py write FILE` writes the data; `python examples/digits.py compare` trains the same
// in PyTorch. Whatever both must do alike (weights, order of the rows, optimizer) is stated at the function that does it.

import { readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { averagePrecision, f1, mean } from "./metrics.mjs";

class Refusal extends Error {} // what a person should read, without a stack trace

const USAGE = `usage: node examples/digits.mjs --data FILE [--out FILE] [--url URL] [--loss NAME]
                               [--epochs 30] [--batch 64] [--hidden 32] [--rate 0.5] [--momentum 0.9] [--seed 1]

  --data FILE   what "python examples/digits.py write FILE" wrote
  --out FILE    where to save the weights and the results, for "python examples/digits.py compare"
  --url URL     the service (default: $GRADWIRE_URL, or http://127.0.0.1:8000)
  --loss NAME   any name of GET /losses (default: binary_cross_entropy)`;

// ---- the service ----------------------------------------------------------------------------------------------------------------

/** One request and its reply; fetch keeps the connection open between them. */
async function ask(url, path, body) {
  const post = body && { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const reply = await fetch(url.replace(/\/$/, "") + path, post).catch((error) => {
    const why = error.cause?.code ?? error.cause?.message ?? error.message;
    throw new Refusal(`no service answers at ${url} (${why}); "make serve" starts one, and --url or GRADWIRE_URL names another`);
  });
  const text = await reply.text();
  if (reply.ok && reply.headers.get("content-type")?.includes("json")) return JSON.parse(text);
  throw new Refusal(readable(reply, text, `${post ? "POST" : "GET"} ${path}`, url));
}

/** A problem (RFC 9457) as a person would like to read it: what is wrong, then where, unless that was said already. */
function readable(reply, text, what, url) {
  if (!reply.headers.get("content-type")?.includes("problem+json")) {
    return `${what}: what answers at ${url} is not gradwire (status ${reply.status})`;
  }
  const { status, title, detail, errors = [] } = JSON.parse(text);
  const where = errors.filter((each) => each.pointer && !detail.includes(each.pointer)).map((each) => `\n  ${each.pointer}: ${each.detail}`);
  return `${what} was refused (${status} ${title}): ${detail}${where.join("")}`;
}

// ---- the network: scores = W2·relu(W1·x + b1) + b2, everything in float64 ---------------------------------------------------------

/** x -> (1664525·x + 1013904223) mod 2³², exact in integers. */
function generator(seed) {
  let state = seed >>> 0;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0);
}

/** One layer: weight [out][in] row by row, then bias [out], each uniform in ±1/√in; and its momentum, 0 at first. */
function layer(next, inputs, outputs) {
  const drawn = (count) => Float64Array.from({ length: count }, () => (next() / 2 ** 31 - 1) / Math.sqrt(inputs));
  const weight = drawn(inputs * outputs);
  const bias = drawn(outputs);
  return { inputs, outputs, weight, bias, velocity: [new Float64Array(weight.length), new Float64Array(outputs)] };
}

function forward({ inputs, outputs, weight, bias }, x) {
  const y = new Float64Array(outputs);
  for (let o = 0; o < outputs; o++) {
    let sum = bias[o];
    for (let i = 0; i < inputs; i++) sum += weight[o * inputs + i] * x[i];
    y[o] = sum;
  }
  return y;
}

const relu = (x) => x.map((each) => Math.max(each, 0));
const zeros = ({ weight, bias }) => [new Float64Array(weight.length), new Float64Array(bias.length)];

/** From d loss / d output: adds to the layer's gradients, and gives back d loss / d input. */
function backward({ inputs, weight }, x, fromAbove, [weightGrad, biasGrad]) {
  const below = new Float64Array(inputs);
  fromAbove.forEach((slope, o) => {
    biasGrad[o] += slope;
    for (let i = 0; i < inputs; i++) {
      weightGrad[o * inputs + i] += slope * x[i];
      below[i] += slope * weight[o * inputs + i];
    }
  });
  return below;
}

/** SGD with momentum, as torch.optim.SGD: v = momentum·v + gradient, then parameter -= rate·v. */
function descend({ weight, bias, velocity }, gradients, { rate, momentum }) {
  [weight, bias].forEach((parameter, p) => {
    for (let i = 0; i < parameter.length; i++) {
      velocity[p][i] = momentum * velocity[p][i] + gradients[p][i];
      parameter[i] -= rate * velocity[p][i];
    }
  });
}

/** The rows of one epoch: Fisher–Yates from the last row down, j = ⌊next·(i+1) / 2³²⌋. The order goes on from the epoch before. */
function shuffle(order, next) {
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor((next() * (i + 1)) / 2 ** 32);
    [order[i], order[j]] = [order[j], order[i]];
  }
}

// ---- training -------------------------------------------------------------------------------------------------------------------

/** One mini-batch: forward here, loss and gradient from the service, backward here. Returns the mean loss of its rows. */
async function step([first, second], features, labels, recipe, request) {
  const hidden = features.map((x) => relu(forward(first, x)));
  const scores = hidden.map((h) => Array.from(forward(second, h)));
  const { loss, grad } = await request("/grad", scores, labels);
  const gradients = [zeros(first), zeros(second)];
  grad.forEach((slope, n) => {
    const below = backward(second, hidden[n], slope, gradients[1]);
    backward(first, features[n], below.map((each, i) => (hidden[n][i] > 0 ? each : 0)), gradients[0]);
  });
  [first, second].forEach((each, l) => descend(each, gradients[l], recipe));
  return loss;
}

/** Every epoch in a new order, in batches of `batch` rows, the last one with what is left. */
async function train(layers, { features, labels }, recipe, next, request) {
  const order = features.map((_, n) => n);
  for (let epoch = 1; epoch <= recipe.epochs; epoch++) {
    const started = performance.now();
    shuffle(order, next);
    let [total, requests] = [0, 0];
    for (let start = 0; start < order.length; start += recipe.batch, requests++) {
      const rows = order.slice(start, start + recipe.batch);
      const pick = (from) => rows.map((n) => from[n]);
      total += rows.length * (await step(layers, pick(features), pick(labels), recipe, request));
    }
    const seconds = ((performance.now() - started) / 1000).toFixed(2);
    const of = `${String(epoch).padStart(3)}/${recipe.epochs}`;
    console.log(`epoch ${of}   loss ${(total / order.length).toFixed(6)}   ${seconds} s   ${requests} requests`);
  }
}

const predict = ([first, second], features) => features.map((x) => Array.from(forward(second, relu(forward(first, x)))));

/** Which classes a row of scores stands for. Softmax: those with more than an even share, p > 1/C. Others: score > 0, i.e. σ > ½. */
function decide(loss, row) {
  if (loss !== "softmax_cross_entropy") return row.map((score) => score > 0);
  const top = Math.max(...row);
  const shares = row.map((score) => Math.exp(score - top));
  const total = shares.reduce((a, b) => a + b);
  return shares.map((share) => share / total > 1 / row.length);
}

/** mAP, micro-F1 and macro-F1; `labels` hold the indices of each row's true classes. */
function evaluate(loss, scores, labels) {
  const columns = scores[0].map((_, c) => c);
  const decided = scores.map((row) => decide(loss, row));
  const truth = columns.map((c) => labels.map((row) => row.includes(c)));
  const found = columns.map((c) => decided.map((row) => row[c]));
  return {
    mAP: mean(columns.map((c) => averagePrecision(scores.map((row) => row[c]), truth[c]))),
    "micro-F1": f1(truth.flat(), found.flat()),
    "macro-F1": mean(columns.map((c) => f1(truth[c], found[c]))),
  };
}

// ---- the command ----------------------------------------------------------------------------------------------------------------

function options() {
  const text = (value) => ({ type: "string", default: value });
  const numbers = { epochs: "30", batch: "64", hidden: "32", rate: "0.5", momentum: "0.9", seed: "1" };
  const known = {
    data: { type: "string" }, out: { type: "string" }, help: { type: "boolean" },
    url: text(process.env.GRADWIRE_URL || "http://127.0.0.1:8000"), loss: text("binary_cross_entropy"),
    ...Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, text(value)])),
  };
  const { values } = parseArgs({ options: known });
  const recipe = Object.fromEntries(Object.keys(numbers).map((name) => [name, Number(values[name])]));
  for (const [name, value] of Object.entries(recipe)) {
    const whole = name !== "rate" && name !== "momentum";
    if (whole ? Number.isSafeInteger(value) && value > 0 : value >= 0) continue;
    throw new Refusal(`--${name} must be a ${whole ? "whole number from 1 on" : "number from 0 on"}, found "${values[name]}"`);
  }
  return { ...values, recipe };
}

async function main() {
  const { data: file, out, url, loss: asked, recipe, help } = options();
  if (help) return console.log(USAGE);
  if (!file) throw new Refusal(`--data is missing\n${USAGE}`);
  const data = JSON.parse(await readFile(file, "utf8"));
  const { name: loss } = await ask(url, `/losses/${encodeURIComponent(asked)}`);
  const request = (path, scores, labels) => ask(url, path, { loss, scores, labels, dtype: "float64" });

  const next = generator(recipe.seed);
  const layers = [layer(next, data.train.features[0].length, recipe.hidden), layer(next, recipe.hidden, data.classes.length)];
  const started = performance.now();
  await train(layers, data.train, recipe, next, request);
  const seconds = (performance.now() - started) / 1000;

  const { loss: lossAtEnd } = await request("/loss", predict(layers, data.train.features), data.train.labels);
  const metrics = evaluate(loss, predict(layers, data.test.features), data.test.labels);
  const shown = Object.entries(metrics).map(([name, value]) => `${name} ${value.toFixed(4)}`);
  console.log(`test: ${shown.join("   ")}`);
  const weights = layers.map(({ weight, bias }) => ({ weight: Array.from(weight), bias: Array.from(bias) }));
  if (out) await writeFile(out, JSON.stringify({ loss, recipe, results: { loss: lossAtEnd, ...metrics, seconds }, weights }));
}

try {
  await main();
} catch (error) {
  if (!(error instanceof Refusal || error.code)) throw error; // a code: the file or the option is wrong, not this program
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
}
