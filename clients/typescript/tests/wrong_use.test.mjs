// What a caller may get wrong: the service says so in its own words, in both forms, unless it is no job at all.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, Refused, Tensor } from "gradwire";
import { FORMS, LIVE, SOFTMAX, rejection } from "./environment.mjs";

const RAGGED = [[2.0, 0.5, -1.0], [0.1, 1.2]];
const WRONG = {
  "ragged scores": [{ ...SOFTMAX, scores: RAGGED }, /scores/],
  "ragged targets": [{ scores: SOFTMAX.scores, targets: RAGGED }, /targets/],
  "no scores": [{ labels: [[0]] }, /scores/],
  "no rows": [{ scores: [], labels: [] }, /scores/],
  "scores of one row": [{ scores: [1, 2], labels: [0] }, /scores/],
  "a string for scores": [{ ...SOFTMAX, scores: "numbers" }, /scores/],
  "neither labels nor targets": [{ scores: SOFTMAX.scores }, /labels/],
  "both": [{ ...SOFTMAX, targets: SOFTMAX.scores }, /targets/],
  "a label out of range": [{ ...SOFTMAX, labels: [[0], [1, 17]] }, /class 17 is out of range for C = 3/],
  "a negative label": [{ ...SOFTMAX, labels: [[0], [-1]] }, /-1/],
  "half a label": [{ ...SOFTMAX, labels: [[0], [1.5]] }, /\/labels\/1\/0/],
  "a label twice": [{ ...SOFTMAX, labels: [[0], [1, 1]] }, /\/labels\/1/],
  "lists and plain labels": [{ ...SOFTMAX, labels: [[0], 1] }, /labels/],
  "weights not nested like the labels": [{ ...SOFTMAX, label_weights: [[0.5, 0.5], [1]] }, /label_weights/],
  "weights of one row too few": [{ ...SOFTMAX, label_weights: [[0.5]] }, /label_weights/],
  "a mask of twos": [{ ...SOFTMAX, mask: [[2, 1, 1], [1, 1, 1]] }, /\/mask\/0\/0/],
  "a mask of one row": [{ ...SOFTMAX, mask: [[1, 1, 1]] }, /mask/],
  "an unknown field": [{ ...SOFTMAX, labelWeights: [[1], [1, 1]] }, /labelWeights/],
  "an unknown parameter": [{ ...SOFTMAX, params: { gama: 2 } }, /gama/],
  "parameters that are no object": [{ ...SOFTMAX, params: [1] }, /params/],
  "an unknown reduction": [{ ...SOFTMAX, reduction: "avg" }, /reduction.*avg/],
  "an unknown runtime": [{ ...SOFTMAX, runtime: "tpu" }, /tpu/],
  "half precision": [{ ...SOFTMAX, dtype: "half" }, /half/],
  "NaN for a weight": [{ ...SOFTMAX, class_weight: [1, NaN, 1] }, /class_weight/],
  "NaN for a number": [{ loss: "bce", scores: SOFTMAX.scores, labels: SOFTMAX.labels, pos_weight: NaN }, /NaN|pos_weight/],
  "infinity": [{ ...SOFTMAX, scores: [[Infinity, 0, 0], [0, 0, 0]] }, /scores/],
  "more than float32 can hold": [{ ...SOFTMAX, scores: [[1e300, 0, 0], [0, 0, 0]] }, /1e\+?300 does not fit float32; use dtype float64/],
  "grad_output of the wrong shape": [{ ...SOFTMAX, reduction: "none", grad_output: [1, 2, 3] }, /grad_output/],
};

for (const form of FORMS) {
  for (const [what, [job, words]] of Object.entries(WRONG)) {
    test(`${what}, in ${form}`, async () => {
      const error = await rejection(new Client(LIVE, { form }).grad(job), Refused);
      assert.equal(error.status, 422, error.message);
      assert.match(error.message, words);
    });
  }

  test(`an unknown loss is 404, with a suggestion, in ${form}`, async () => {
    const error = await rejection(new Client(LIVE, { form }).grad({ ...SOFTMAX, loss: "focl" }), Refused);
    assert.equal(error.status, 404);
    assert.match(error.message, /did you mean 'focal'/);
  });

  test(`data that do not fill their shape are no job, in ${form}`, async () => {
    const scores = { data: new Float32Array(5), shape: [2, 3] };
    await assert.rejects(new Client(LIVE, { form }).grad({ ...SOFTMAX, scores }), /scores: 5 numbers do not fill the shape \[2, 3\], which holds 6/);
  });
}

test("parameters in a ring are no job", async () => {
  const params = {};
  params.params = params;
  await assert.rejects(new Client(LIVE).grad({ ...SOFTMAX, params }), TypeError);
});

test("an address or an option that cannot be used is a TypeError that says so", () => {
  for (const url of ["", "127.0.0.1:8000", "ftp://127.0.0.1", "http://user:secret@127.0.0.1", "http://127.0.0.1/?a=b"]) {
    assert.throws(() => new Client(url), (error) => error instanceof TypeError && /expected one such as http/.test(error.message), url);
  }
  assert.throws(() => new Client(LIVE, { timeoutMs: 0 }), /timeoutMs is 0/);
  assert.throws(() => new Client(LIVE, { timeoutMs: NaN }), /timeoutMs/);
  assert.throws(() => new Client(LIVE, { retries: -1 }), /retries is -1/);
  assert.throws(() => new Client(LIVE, { form: "xml" }), /form is xml; expected binary or json/);
  assert.throws(() => new Client(LIVE, { apiKey: "a\nb" }), (error) => /apiKey/.test(error.message) && !error.message.includes("a\nb"));
});

test("a tensor knows its rows", () => {
  const tensor = new Tensor(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]);
  assert.deepEqual(tensor.toArrays(), [[1, 2, 3], [4, 5, 6]]);
  assert.deepEqual(tensor.row(1), Float32Array.of(4, 5, 6));
  assert.throws(() => tensor.row(2), /row 2 of a tensor of shape \[2, 3\]/);
  assert.throws(() => new Tensor(new Float32Array(5), [2, 3]), RangeError);
});
