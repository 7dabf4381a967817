// What can go wrong between here and there: a typed error that says what would do, in time, and a client that works afterwards.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { BadReply, Client, GradwireError, Refused, TimedOut, Unreachable } from "gradwire";
import { FAULTS, FORMS, KEY, LIVE, LOCKED, SOFTMAX, agrees, faulty, freePort, golden, rejection, statistics, token } from "./environment.mjs";

const SOFTMAX_REPLY = golden("softmax.reply.json");
const STATUSES = golden("statuses.json");

for (const form of FORMS) {
  for (const [status, { headers, problem }] of Object.entries(STATUSES)) {
    test(`${status} in ${form}`, async () => {
      const error = await rejection(faulty(`status/${status}`, { form, retries: 0 }).grad(SOFTMAX), Refused);
      assert.equal(error.status, Number(status));
      assert.equal(error.title, problem.title);
      assert.equal(error.detail, problem.detail);
      assert.deepEqual(error.errors, problem.errors ?? []);
      assert.equal(error.retryAfter, headers["Retry-After"] && Number(headers["Retry-After"]));
      assert.ok(error.requestId);
      assert.equal(error.message, problem.detail);
    });
  }

  for (const [path, found] of [
    ["cut", /ended after \d+ bytes.*expected \d+ bytes/],
    ["html", /text\/html with status 200/],
    ["html-502", /text\/html with status 502/],
    ["redirect", /redirect to \/golden\/softmax\/grad with status 307/],
    ["not-json", form === "json" ? /not valid JSON|Unexpected token/ : /header of \d+ bytes in a reply of \d+/],
    ["no-grad", /grad that is missing/],
    ["wrong-shape", /grad of shape \[1, 3\]; expected the shape \[2, 3\]/],
    ["wrong-type", form === "json" ? /"numbers" for 'grad'/ : /'grad' as I64/],
    ["null", form === "json" ? /found null/ : /loss that is missing/],
    ["huge-header", form === "json" ? /found deeply nested lists|found \[\[\[/ : /header of 4611686018427387904 bytes/],
    ["other-form", form === "json" ? /safetensors with status 200; expected application\/json/ : /expected application\/vnd.safetensors/],
  ]) {
    test(`/${path} in ${form}`, async () => {
      const error = await rejection(faulty(path, { form }).grad(SOFTMAX), BadReply);
      assert.match(error.message, found);
      assert.ok(error.message.includes(`${FAULTS}/${path}/grad`));
      assert.ok(error.found && error.expected);
    });
  }

  for (const [path, waitedFor] of [["silent", "a reply"], ["stalls", "the rest of the reply"], ["trickles", "the rest of the reply"]]) {
    test(`/${path} in ${form}: the timeout is of the whole call`, async () => {
      const began = performance.now();
      const error = await rejection(faulty(path, { form, timeoutMs: 300 }).grad(SOFTMAX), TimedOut);
      assert.ok(performance.now() - began < 10_000);
      assert.equal(error.timeoutMs, 300);
      assert.equal(error.waitedFor, waitedFor);
    });
  }

  for (const path of ["busy", "draining"]) {
    test(`/${path} in ${form}: asked again until the service has time`, async () => {
      const name = token();
      agrees(await faulty(`${path}/2/${name}`, { form }).grad(SOFTMAX), SOFTMAX_REPLY, 1e-7);
      assert.deepEqual(await statistics(name), { requests: 3 });
    });

    test(`/${path} in ${form}: not more often than said`, async () => {
      const name = token();
      await rejection(faulty(`${path}/9/${name}`, { form, retries: 2 }).grad(SOFTMAX), Refused);
      assert.deepEqual(await statistics(name), { requests: 3 });
    });
  }

  test(`/later in ${form}: a wait that would outlast the timeout is not begun`, async () => {
    const began = performance.now();
    const error = await rejection(faulty("later", { form }).grad(SOFTMAX), Refused);
    assert.ok(performance.now() - began < 10_000);
    assert.equal(error.retryAfter, 3600);
  });

  test(`/stale and /closing in ${form}: a connection that ended is no error`, async () => {
    const name = token();
    const client = faulty(`stale/${name}`, { form });
    for (let i = 0; i < 5; i++) agrees(await client.grad(SOFTMAX), SOFTMAX_REPLY, 1e-7);
    for (let i = 0; i < 3; i++) agrees(await faulty("closing", { form }).grad(SOFTMAX), SOFTMAX_REPLY, 1e-7);
  });

  test(`/chunked in ${form}`, async () => agrees(await faulty("chunked", { form }).grad(SOFTMAX), SOFTMAX_REPLY, 1e-7));
}

test("/hang-up: asked again at once, then Unreachable", async () => {
  const before = (await statistics()).requests;
  const error = await rejection(faulty("hang-up").grad(SOFTMAX), Unreachable);
  assert.match(error.reason, /closed|reset|ended/i);
  assert.ok((await statistics()).requests - before >= 4);
});

test("503 waits as long as Retry-After says", async () => {
  const began = performance.now();
  await rejection(faulty("status/503", { retries: 1 }).grad(SOFTMAX), Refused);
  const seconds = (performance.now() - began) / 1000;
  assert.ok(seconds >= 0.99 && seconds < 10, `${seconds} s`);
});

test("a refused connection names the address and the reason", async () => {
  const port = await freePort();
  const error = await rejection(new Client(`http://127.0.0.1:${port}`).grad(SOFTMAX), Unreachable);
  assert.equal(error.address, `http://127.0.0.1:${port}/grad`);
  assert.match(error.reason, /ECONNREFUSED/);
  assert.match(error.message, /is it running/);
});

test("a host that does not exist is unreachable", async () => {
  const error = await rejection(new Client("http://no-such-host.invalid").grad(SOFTMAX), Unreachable);
  assert.match(error.reason, /ENOTFOUND|EAI_AGAIN/);
});

test("what speaks no HTTP is no gradwire", async () => {
  const server = createServer((socket) => socket.end("SSH-2.0-something\r\n")).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  try {
    const error = await rejection(new Client(`http://127.0.0.1:${server.address().port}`).grad(SOFTMAX), BadReply);
    assert.match(error.message, /no HTTP/);
  } finally {
    server.close();
  }
});

test("a key that is missing or wrong is 401; the right one is taken", async () => {
  for (const apiKey of [undefined, "wrong"]) assert.equal((await rejection(new Client(LOCKED, { apiKey }).grad(SOFTMAX), Refused)).status, 401);
  agrees(await new Client(LOCKED, { apiKey: KEY }).grad(SOFTMAX), SOFTMAX_REPLY, 1e-5);
});

for (const form of FORMS) {
  test(`a body over the limit is 413 in ${form}, and the client works afterwards`, async () => {
    const client = new Client(LOCKED, { apiKey: KEY, form });
    const scores = Array.from({ length: 2000 }, () => new Array(100).fill(0.5));
    const error = await rejection(client.grad({ scores, labels: scores.map(() => [0]) }), Refused);
    assert.equal(error.status, 413);
    assert.match(error.message, /100000 bytes/);
    agrees(await client.grad(SOFTMAX), SOFTMAX_REPLY, 1e-5);
  });
}

test("every error is a GradwireError, and one client serves the next call", async () => {
  const client = new Client(LIVE);
  assert.ok((await rejection(client.grad({ ...SOFTMAX, loss: "focl" }), GradwireError)) instanceof Refused);
  agrees(await client.grad(SOFTMAX), SOFTMAX_REPLY, 1e-5);
});

test("the caller may give a call up, before and while it runs", async () => {
  const given = new AbortController();
  const call = faulty("silent").grad(SOFTMAX, { signal: given.signal });
  setTimeout(() => given.abort(new Error("enough")), 100);
  await assert.rejects(call, /enough/);
  await assert.rejects(faulty("silent").grad(SOFTMAX, { signal: given.signal }), /enough/);
});

test("the caller may give up the wait for another try", async () => {
  const began = performance.now();
  await assert.rejects(faulty("later", { timeoutMs: 10_000_000 }).grad(SOFTMAX, { signal: AbortSignal.timeout(150) }), { name: "TimeoutError" });
  assert.ok(performance.now() - began < 10_000);
});
