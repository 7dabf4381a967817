// The example as a user runs it.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { LIVE, golden, near } from "./environment.mjs";

const EXAMPLE = fileURLToPath(new URL("../examples/ten_lines.mjs", import.meta.url));

function run(url) {
  return new Promise((resolve) => {
    const env = { ...process.env, GRADWIRE_URL: url };
    execFile(process.execPath, [EXAMPLE], { env, timeout: 20_000 }, (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr }));
  });
}

test("prints the loss and the gradient, row by row", async () => {
  const { code, stdout } = await run(LIVE);
  assert.equal(code, 0);
  const { loss, grad } = golden("softmax.reply.json");
  const lines = stdout.trim().split("\n").map((line) => line.split(" ").map(Number));
  assert.equal(lines.length, 3);
  [[loss], ...grad].forEach((row, n) => near(lines[n], row, 1e-6));
});

test("prints an error, and fails", async () => {
  const { code, stdout, stderr } = await run("http://127.0.0.1:9");
  assert.equal(code, 1);
  assert.equal(stdout, "");
  assert.match(stderr, /no service answers at http:\/\/127.0.0.1:9\/grad/);
});
