// Connections are kept, and none is left open after an error. Other tests talk to the same server, so differences would count theirs too:
// a relay in between counts only this file's.

import assert from "node:assert/strict";
import { connect, createServer } from "node:net";
import { after, before, test } from "node:test";
import { Client, GradwireError } from "gradwire";
import { FAULTS, FORMS, SOFTMAX, rejection } from "./environment.mjs";

const open = new Set();
let connections = 0;
const relay = createServer((socket) => {
  connections += 1;
  open.add(socket);
  const { hostname, port } = new URL(FAULTS);
  const other = connect(Number(port), hostname);
  socket.pipe(other).pipe(socket);
  const gone = () => (open.delete(socket), socket.destroy(), other.destroy());
  for (const each of [socket, other]) each.on("close", gone).on("error", gone);
});
const faulty = (path, options) => new Client(`http://127.0.0.1:${relay.address().port}/${path}`, options);

before(() => new Promise((resolve) => relay.listen(0, "127.0.0.1", resolve)));
after(() => {
  open.forEach((socket) => socket.destroy());
  relay.close();
});

for (const form of FORMS) {
  // Node itself opens a second one when the next request comes before it has put the first one back; both are then used in turn.
  test(`100 calls one after another share their connections in ${form}`, async () => {
    const earlier = connections;
    const client = faulty("golden/softmax", { form });
    for (let i = 0; i < 100; i++) await client.grad(SOFTMAX);
    assert.ok(connections - earlier <= 2, `${connections - earlier} connections`);
  });
}

test("many calls at once are as good as one", async () => {
  const client = faulty("golden/softmax");
  const replies = await Promise.all(Array.from({ length: 50 }, () => client.grad(SOFTMAX)));
  for (const { grad } of replies) assert.deepEqual(grad.data, replies[0].grad.data);
});

test("faults leave nothing open", async () => {
  const faults = ["cut", "silent", "stalls", "trickles", "hang-up", "html", "not-json", "huge-header", "status/422", "later", "redirect"];
  for (const fault of faults) {
    for (let i = 0; i < 5; i++) await rejection(faulty(fault, { timeoutMs: 150 }).grad(SOFTMAX), GradwireError);
  }
  for (let tries = 0; tries < 50 && open.size > 51; tries++) await new Promise((resolve) => setTimeout(resolve, 100));
  assert.ok(open.size <= 51, `${open.size} connections are open; at most those of the calls at once may be kept`);
  await faulty("golden/softmax").grad(SOFTMAX);
});
