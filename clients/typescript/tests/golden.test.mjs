// Every golden case in both forms, as plain and as typed arrays: byte for byte what it should ask, and what the live service answers.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, Refused } from "gradwire";
import { FORMS, LIVE, SOFTMAX, agrees, faulty, golden, rejection, typed } from "./environment.mjs";

const CASES = golden("cases.json");
const call = (client, { path }, job) => (path === "/loss" ? client.loss(job) : client.grad(job));

test("there are cases", () => assert.ok(CASES.length >= 20));

for (const each of CASES) {
  for (const form of FORMS) {
    for (const [kind, job] of [["plain", each.job], ...(each.name === "ragged" ? [] : [["typed", typed(each.job)]])]) {
      test(`${each.name} in ${form}, ${kind}`, () => (each.status === 200 ? answered : refused)(each, form, job));
    }
  }
}

async function answered(each, form, job) {
  const expected = golden(`${each.name}.reply.json`);
  const reply = await call(faulty(`golden/${each.name}`, { form }), each, job);
  agrees(reply, expected, reply.loss instanceof Float32Array || each.job.dtype !== "float64" ? 1e-7 : 0);
  assert.equal(typeof reply.requestId, "string");
  agrees(await call(new Client(LIVE, { form }), each, job), expected, each.job.dtype === "float64" ? 1e-10 : 1e-5);
}

async function refused(each, form, job) {
  const problem = golden(`${each.name}.problem.json`);
  for (const client of [faulty(`golden/${each.name}`, { form }), new Client(LIVE, { form })]) {
    const error = await rejection(call(client, each, job), Refused);
    assert.equal(error.status, each.status);
    assert.equal(error.detail, problem.detail);
    assert.deepEqual(error.errors, problem.errors ?? []);
  }
}

test("NaN in JSON is the bare token, which the service refuses by name", async () => {
  const job = { ...SOFTMAX, loss: undefined, scores: [[2.0, NaN, -1.0], [0.1, 1.2, 3.0]] };
  for (const [form, name] of [["json", "nan"], ["binary", "nan_tensor"]]) {
    for (const client of [faulty(`golden/${name}`, { form }), new Client(LIVE, { form })]) {
      const error = await rejection(client.grad(job), Refused);
      assert.equal(error.status, 422);
      assert.equal(error.detail, golden(`${name}.problem.json`).detail);
      assert.match(error.message, /NaN|not finite|finite/);
    }
  }
});

test("a score of -Infinity masks its class in the binary form, and is refused in JSON", async () => {
  const job = { scores: [[2.0, -Infinity, -1.0], [0.1, 1.2, 3.0]], labels: [[0], [1, 2]], dtype: "float64" };
  for (const client of [faulty("golden/minus_infinity"), new Client(LIVE)]) {
    const { grad } = await client.grad(job);
    assert.equal(grad.row(0)[1], 0);
  }
  assert.equal((await rejection(new Client(LIVE, { form: "json" }).grad(job), Refused)).status, 422);
});
