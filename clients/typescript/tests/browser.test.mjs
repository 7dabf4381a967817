// The built module in a real browser, on a page of another origin than the service's. It needs Chromium and an interpreter that can start
// the service, for that must be told which pages may call it; what is missing is said, and the test is skipped.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { FAULTS, freePort, golden, near } from "./environment.mjs";
import { servePage } from "./browser/page_server.mjs";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const PYTHON = process.env.PYTHON ?? `${ROOT}.venv/bin/python`;
const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
  "--disable-sync", "--no-first-run",
];
const missing = [CHROMIUM, PYTHON].filter((each) => !existsSync(each)).map((each) => `no browser is tried: there is no ${each}`)[0];

test("in Chromium, from a page of another origin", { skip: missing, timeout: 90_000 }, async (context) => {
  const page = await servePage();
  context.after(page.close);
  const [port, unused] = [await freePort(), await freePort()];
  const service = `http://127.0.0.1:${port}`;
  start(context, PYTHON, ["-m", "service"], { GRADWIRE_PORT: String(port), GRADWIRE_GRPC: "false", GRADWIRE_CORS_ORIGINS: page.origin });
  await ready(service);
  page.addresses = { service, silent: `${FAULTS}/silent`, closed: `http://127.0.0.1:${unused}` };
  const profile = mkdtempSync(`${tmpdir()}/gradwire-chromium-`);
  context.after(() => rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }));
  start(context, CHROMIUM, [...FLAGS, `--user-data-dir=${profile}`, page.origin], {});
  judge(await page.found);
});

function judge(found) {
  assert.equal(found.failure, undefined);
  const { loss, grad } = golden("softmax.reply.json");
  for (const [form, kind] of [["binary", "Float32Array"], ["json", "Float32Array"], ["float64", "Float64Array"]]) {
    assert.equal(found[form].kind, kind);
    assert.ok(found[form].requestId, `${form} has a request id`);
    near([found[form].loss, ...found[form].grad.flat()], [loss, ...grad.flat()], 1e-6);
  }
  assert.equal(found.many, 50);
  assert.equal(found.refused.status, 404);
  assert.match(found.refused.message, /did you mean 'focal'/);
  assert.equal(found.ragged.status, 422);
  for (const [name, kind] of [["refused", "Refused"], ["unreachable", "Unreachable"], ["timedOut", "TimedOut"]]) {
    assert.equal(found[name].name, kind, found[name].message);
    assert.ok(found[name].ours);
  }
  assert.equal(found.givenUp.name, "TimeoutError");
}

/** A process in a group of its own, which is ended after the test. */
function start(context, command, args, more) {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("GRADWIRE_"));
  const child = spawn(command, args, { cwd: ROOT, env: { ...Object.fromEntries(inherited), ...more }, stdio: "ignore", detached: true });
  const ended = new Promise((resolve) => child.once("close", resolve));
  context.after(async () => {
    if (child.exitCode === null) process.kill(-child.pid, "SIGKILL");
    await ended;
  });
}

async function ready(url) {
  for (let tries = 0; tries < 300; tries++) {
    const answer = await fetch(`${url}/health/ready`).catch(() => undefined);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail("the service is not ready after 30 s");
}
