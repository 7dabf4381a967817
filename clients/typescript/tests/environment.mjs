// Where the services are that these tests talk to, and what they should answer; see clients/README.md.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { Client, Tensor } from "gradwire";

function needed(name) {
  if (process.env[name]) return process.env[name];
  throw new Error(`${name} is not set; clients/README.md says what it should be`);
}

export const LIVE = needed("GRADWIRE_URL");
export const LOCKED = needed("GRADWIRE_LOCKED_URL");
export const KEY = needed("GRADWIRE_LOCKED_KEY");
export const FAULTS = needed("GRADWIRE_FAULTS_URL");
const GOLDEN = needed("GRADWIRE_GOLDEN");

export const FORMS = ["binary", "json"];
export const SOFTMAX = { loss: "softmax_cross_entropy", scores: [[2.0, 0.5, -1.0], [0.1, 1.2, 3.0]], labels: [[0], [1, 2]] };

export const golden = (file) => JSON.parse(readFileSync(`${GOLDEN}/${file}`, "utf8"));
export const faulty = (path, options) => new Client(`${FAULTS}/${path}`, options);
export const token = () => randomUUID();
export const statistics = async (name = "") => (await fetch(`${FAULTS}/stats${name && `/${name}`}`)).json();

/** A case's job, with its matrices as typed arrays, which say the precision in place of `dtype`. */
export function typed({ dtype, ...job }) {
  const Floats = dtype === "float64" ? Float64Array : Float32Array;
  const matrices = ["scores", "targets", "element_weight"].filter((name) => job[name]);
  const vectors = ["class_weight", "sample_weight"].filter((name) => job[name]);
  return {
    ...job,
    ...Object.fromEntries(matrices.map((name) => [name, new Tensor(Floats.from(job[name].flat()), [job[name].length, job[name][0].length])])),
    ...Object.fromEntries(vectors.map((name) => [name, Floats.from(job[name])])),
  };
}

/** The numbers of a reply, compared one by one with those of a reply in JSON; tolerance 0: equal. */
export function agrees(reply, { loss, grad }, tolerance) {
  near(typeof loss === "number" ? [reply.loss] : reply.loss.data, [loss].flat(2), tolerance);
  if (typeof loss !== "number") assert.deepEqual([...reply.loss.shape], shape(loss));
  if (!grad) return assert.equal("grad" in reply, false);
  assert.deepEqual([...reply.grad.shape], shape(grad));
  near(reply.grad.data, grad.flat(), tolerance);
}

const shape = (rows) => (Array.isArray(rows[0]) ? [rows.length, rows[0].length] : [rows.length]);

export function near(found, expected, tolerance) {
  assert.equal(found.length, expected.length);
  expected.forEach((each, i) => {
    const bound = tolerance * Math.max(1, Math.abs(each));
    const same = tolerance ? Math.abs(found[i] - each) <= bound : found[i] === (found instanceof Float32Array ? Math.fround(each) : each);
    assert.ok(same, `number ${i}: found ${found[i]}, expected ${each}`);
  });
}

/** What a promise is rejected with: an error of this class, which is given back. */
export async function rejection(promise, Kind) {
  const error = await promise.then(() => assert.fail(`resolved; expected ${Kind.name}`), (error) => error);
  assert.ok(error instanceof Kind, `found ${error.name}: ${error.message}; expected ${Kind.name}`);
  return error;
}

/** A port on which nothing listens. */
export function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
