// How numbers are written and read: exactly.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, Tensor } from "gradwire";
import { jobAsSafetensors } from "../dist/binary.js";
import { jobAsJson } from "../dist/json.js";
import { LITTLE_ENDIAN, pack, unpack } from "../dist/safetensors.js";
import { FORMS, LIVE, SOFTMAX, near } from "./environment.mjs";

const AWKWARD = [0.1, -0, 5e-324, 1.7976931348623157e308, 123456789.123456789, 1 / 3, 1e21, 1e-7, -2.5e-10];

test("every float64 reads back as itself, and -0 keeps its sign", () => {
  const { scores } = JSON.parse(jobAsJson({ scores: [AWKWARD] }));
  AWKWARD.forEach((each, i) => assert.ok(Object.is(scores[0][i], each), `${each}`));
});

test("NaN and infinities are bare tokens, at any depth", () => {
  assert.equal(jobAsJson({ scores: [[NaN, Infinity, -Infinity]] }), '{"scores":[[NaN,Infinity,-Infinity]]}');
});

test("a tensor is nested in JSON, and says its precision", () => {
  const scores = new Tensor(Float64Array.of(1, 2, 3, 4), [2, 2]);
  assert.equal(jobAsJson({ scores, labels: Int32Array.of(0, 1) }), '{"scores":[[1,2],[3,4]],"labels":[0,1],"dtype":"float64"}');
  assert.equal(jobAsJson({ scores: new Tensor(Float32Array.of(0.1), [1, 1]) }), '{"scores":[[0.10000000149011612]]}');
  assert.equal(jobAsJson({ scores: [Float64Array.of(1, 2)] }), '{"scores":[[1,2]],"dtype":"float64"}');
});

test("what is undefined or null is left out", async () => {
  for (const form of FORMS) {
    const scores = new Tensor(Float64Array.from(SOFTMAX.scores.flat()), [2, 3]);
    const { grad } = await new Client(LIVE, { form }).grad({ ...SOFTMAX, scores, mask: null, dtype: null, reduction: undefined });
    assert.ok(grad.data instanceof Float64Array);
  }
  assert.equal(jobAsJson({ scores: [[1]], mask: undefined, params: { gamma: undefined } }), '{"scores":[[1]],"params":{}}');
});

test("tensors are aligned, and views of a larger array are cut out of it", () => {
  assert.ok(LITTLE_ENDIAN);
  const scores = { data: new Float64Array(12).fill(7).subarray(3, 9).map((_, i) => i), shape: [2, 3] };
  const { scores: found, labels } = unpack(jobAsSafetensors({ loss: "é", scores, labels: [[0], [2 ** 40, -7]], mask: [[1, 0, 1], [1, 1, 1]] }));
  assert.deepEqual([...new Float64Array(Uint8Array.from(found.bytes).buffer)], [0, 1, 2, 3, 4, 5]);
  assert.deepEqual([...new BigInt64Array(Uint8Array.from(labels.bytes).buffer)], [0n, 2n ** 40n, -7n]);
  assert.equal(found.bytes.byteOffset % 8, 0);
});

test("a header that lies is refused", () => {
  const body = pack({ loss: { dtype: "F32", shape: [1], bytes: new Uint8Array(4) } }, {});
  assert.deepEqual(unpack(body).loss.shape, [1]);
  const changed = (from, to) => new TextEncoder().encode(new TextDecoder("latin1").decode(body).replace(from, to));
  for (const [from, to] of [["[0,4]", "[0,9]"], ["[0,4]", "[4,0]"], ["[1]", "[2]"], ['"F32"', "32222"], ["[0,4]", "[-1]"], ["{", "["]]) {
    assert.throws(() => unpack(changed(from, to)), Error, `${from} -> ${to}`);
  }
  assert.throws(() => unpack(body.subarray(0, 5)), /5 bytes/);
});

test("the forms agree to the last bit, and so do plain and typed arrays", async () => {
  for (const [Floats, dtype] of [[Float32Array, "float32"], [Float64Array, "float64"]]) {
    const data = Floats.from({ length: 64 * 10 }, (_, i) => Math.sin(i) * 3);
    const labels = Array.from({ length: 64 }, (_, n) => (n % 3 ? [n % 10, (n + 3) % 10] : []));
    const rows = Array.from({ length: 64 }, (_, n) => Array.from(data.subarray(n * 10, n * 10 + 10)));
    const jobs = [{ scores: new Tensor(data, [64, 10]), labels }, { scores: rows, labels, dtype }];
    const replies = await Promise.all(FORMS.flatMap((form) => jobs.map((job) => new Client(LIVE, { form }).grad(job))));
    for (const { loss, grad } of replies) {
      assert.ok(grad.data instanceof Floats);
      assert.equal(loss, replies[0].loss);
      near(grad.data, [...replies[0].grad.data], 0);
    }
  }
});

test("a precision that is not the array's own is asked for", async () => {
  for (const form of FORMS) {
    const scores = new Tensor(Float32Array.from(SOFTMAX.scores.flat()), [2, 3]);
    const { grad } = await new Client(LIVE, { form }).grad({ ...SOFTMAX, scores, dtype: "float64" });
    assert.ok(grad.data instanceof Float64Array);
    const narrow = await new Client(LIVE, { form }).grad({ ...SOFTMAX, scores: new Tensor(Float64Array.from(scores.data), [2, 3]), dtype: "float32" });
    assert.ok(narrow.grad.data instanceof Float32Array);
  }
});

test("a path in the address is kept, with or without a slash at its end", async () => {
  for (const url of [LIVE, `${LIVE}/`, new URL(LIVE)]) assert.ok((await new Client(url).loss(SOFTMAX)).loss > 0);
});
