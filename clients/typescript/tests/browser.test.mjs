// The built module in a real browser, on a page of another origin than the service's. It needs Chromium and an interpreter that can start
// the service, for that must be told which pages may call it; what is missing is said, and the test is skipped.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
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
  "--disable-sync", "--disable-breakpad", "--no-first-run",
];
const missing = [CHROMIUM, PYTHON].filter((each) => !existsSync(each)).map((each) => `no browser is tried: there is no ${each}`)[0];

test("in Chromium, from a page of another origin", { skip: missing }, async () => {
  const ends = []; // what has to be ended, the last first
  try {
    judge(await found(ends));
  } finally {
    for (const end of ends.reverse()) await end();
  }
});

/** What the page found. */
async function found(ends) {
  const page = await servePage();
  ends.push(page.close);
  const [port, unused] = [await freePort(), await freePort()];
  const service = `http://127.0.0.1:${port}`;
  const settings = { GRADWIRE_PORT: String(port), GRADWIRE_GRPC: "false", GRADWIRE_DRAIN_S: "0", GRADWIRE_CORS_ORIGINS: page.origin };
  ends.push(start(PYTHON, ["-m", "service"], settings).end);
  await ready(service);
  page.addresses = { service, silent: `${FAULTS}/silent`, closed: `http://127.0.0.1:${unused}` };
  const profile = mkdtempSync(`${tmpdir()}/gradwire-chromium-`);
  ends.push(() => rm(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }));
  const browser = start(CHROMIUM, [...FLAGS, `--user-data-dir=${profile}`, page.origin], { HOME: profile });
  ends.push(browser.end);
  const gone = browser.ended.then(() => assert.fail("Chromium ended before the page was done"));
  return Promise.race([page.found, gone, late("the page is not done after 60 s", 60_000)]);
}

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

/** A process, and `end`, which ends it: by TERM, or by force if that is not heard. */
function start(command, args, more) {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("GRADWIRE_"));
  const child = spawn(command, args, { cwd: ROOT, env: { ...Object.fromEntries(inherited), ...more }, stdio: "ignore" });
  const ended = new Promise((resolve) => child.once("close", resolve).once("error", resolve));
  async function end() {
    child.kill("SIGTERM");
    const force = setTimeout(() => child.kill("SIGKILL"), 10_000);
    await ended;
    clearTimeout(force);
  }
  return { ended, end };
}

/** Rejects after this time, unless nothing else is left to wait for. */
function late(what, ms) {
  return new Promise((_, reject) => setTimeout(() => reject(new Error(what)), ms).unref());
}

async function ready(url) {
  for (let tries = 0; tries < 300; tries++) {
    const answer = await fetch(`${url}/health/ready`).catch(() => undefined);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail("the service is not ready after 30 s");
}
