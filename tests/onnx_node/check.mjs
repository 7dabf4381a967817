// Stock ONNX Runtime for Node computes from each exported graph what the service itself replies.
//
// usage: node check.mjs URL
// Every loss × labels dense|sparse × reduction none|mean × float32|float64: the graph is fetched from the service and fed the batches
// of batches.mjs; the same batches are posted to /grad; losses and gradients are compared element by element. The error that counts is
// the relative one, for an absolute one would not see a Sigmoid that is 0 at -30; `cancels` says where it cannot be.

import ort from "onnxruntime-node";
import { batches } from "./batches.mjs";

const TOLERANCE = { float32: 1e-5, float64: 1e-10 };
const SMALLEST = { float32: 1e-37, float64: 1e-300 }; // below it a number has not all its digits
const ARRAY = { float32: Float32Array, float64: Float64Array };
const VARIANTS = [
  ["softmax_cross_entropy", { normalize: "sum", label_smoothing: 0.1, temperature: 2 }],
  ["binary_cross_entropy", { label_smoothing: 0.1 }],
  ["focal", { gamma: 0.5, alpha: 0.75, soft: "geometric" }],
  ["asymmetric", { gamma_neg: 2, clip: 0, eps: 0, detach_weight: true }],
];

const url = (process.argv[2] ?? "http://127.0.0.1:8000").replace(/\/$/, "");

async function ask(path, body) {
  const post = body && { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const reply = await fetch(url + path, post).catch((error) => {
    throw new Error(`no service answers at ${url} (${error.cause?.code ?? error.cause?.message ?? error.message})`);
  });
  if (!reply.ok) throw new Error(`${path} was refused: ${await reply.text()}`);
  return reply;
}

/** Rows of class indices -> int64 [N, K], padded with -1. */
function padded(labels) {
  const width = Math.max(...labels.map((row) => row.length));
  const indices = new BigInt64Array(labels.length * width).fill(-1n);
  labels.forEach((row, n) => row.forEach((label, k) => (indices[n * width + k] = BigInt(label))));
  return new ort.Tensor("int64", indices, [labels.length, width]);
}

function real(rows, dtype) {
  return new ort.Tensor(dtype, ARRAY[dtype].from(rows.flat()), [rows.length, rows[0].length]);
}

/** One batch through the graph and through the service; both name what they give loss and grad. */
async function outcomes(session, { loss, params, form, reduction, dtype }, batch) {
  const answer = form === "sparse" ? { labels: batch.labels } : { targets: batch.targets };
  const fed = form === "sparse" ? { labels: padded(batch.labels) } : { targets: real(batch.targets, dtype) };
  const computed = await session.run({ scores: real(batch.scores, dtype), ...fed });
  const replied = await ask("/grad", { loss, params, scores: batch.scores, ...answer, reduction, dtype });
  return { computed, replied: await replied.json() };
}

/** Where terms of either sign may cancel, so that only the absolute error is bounded: with soft labels, and in a softmax's T·p − t. */
function cancels({ loss, params }, batch, name) {
  const softmax = loss === "softmax_cross_entropy" && name === "grad";
  return (n) => batch.soft || (softmax && (params.label_smoothing > 0 || batch.targets.flat()[n] !== 0));
}

/** The worst relative error of any element, or absolute error where that is smaller and terms may cancel. */
function worstError(computed, replied, dtype, mayCancel) {
  const theirs = [replied].flat(Infinity);
  if (computed.data.length !== theirs.length) throw new Error(`${computed.data.length} numbers in place of ${theirs.length}`);
  const errors = theirs.map((each, n) => {
    const absolute = Math.abs(computed.data[n] - each);
    const relative = absolute / Math.max(Math.abs(each), SMALLEST[dtype]);
    return mayCancel(n) ? Math.min(absolute, relative) : relative;
  });
  return Math.max(...errors);
}

/** The errors of one batch, as [error, where]. */
async function compare(session, graph, batch) {
  const { computed, replied } = await outcomes(session, graph, batch);
  return ["loss", "grad"].map((name) => {
    const error = worstError(computed[name], replied[name], graph.dtype, cancels(graph, batch, name));
    return [error, `${batch.name}: ${name}`];
  });
}

/** The errors of one graph, all batches together. */
async function check(graph) {
  const { loss, params, form, reduction, dtype, kind } = graph;
  const query = new URLSearchParams({ graph: "grad", labels: form, reduction, dtype, ...params });
  const bytes = await (await ask(`/losses/${loss}/onnx?${query}`)).arrayBuffer();
  const session = await ort.InferenceSession.create(new Uint8Array(bytes), { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const errors = [];
  for (const batch of batches(dtype, form === "dense" ? kind : "binary")) {
    errors.push(...(await compare(session, graph, batch).catch((error) => [[NaN, `${batch.name}: ${error.message}`]])));
  }
  await session.release();
  return errors;
}

/** Every graph that is checked; `kind` says which labels its loss takes. */
async function graphs() {
  const known = await (await ask("/losses")).json();
  const losses = [...known.map(({ name }) => [name, {}]), ...VARIANTS];
  const kindOf = (loss) => known.find(({ name }) => name === loss).targets;
  const every = (axis, values) => (graph) => values.map((value) => ({ ...graph, [axis]: value }));
  return losses
    .map(([loss, params]) => ({ loss, params, kind: kindOf(loss) }))
    .flatMap(every("form", ["dense", "sparse"]))
    .flatMap(every("reduction", ["none", "mean"]))
    .flatMap(every("dtype", ["float32", "float64"]));
}

const all = await graphs().catch((error) => {
  console.error(`error: ${error.message}`);
  process.exit(1);
});
let [passed, failed] = [0, 0];
for (const graph of all) {
  const { loss, params, form, reduction, dtype } = graph;
  const errors = await check(graph).catch((error) => [[NaN, error.message]]);
  const wrong = errors.filter(([error]) => !(error <= TOLERANCE[dtype])); // NaN is wrong, too
  wrong.length ? failed++ : passed++;
  const options = Object.entries(params).map(([name, value]) => ` ${name}=${value}`).join("");
  const worst = Math.max(...errors.map(([error]) => error)).toExponential(1);
  console.log(`${wrong.length ? "FAIL" : "ok  "} ${loss}${options} ${form} ${reduction} ${dtype}: largest error ${worst}`);
  wrong.forEach(([error, where]) => console.log(`       ${where}: ${error}`));
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
