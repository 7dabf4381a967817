// Runs in the browser, on a page that did not come from the service; tells the server of the page what it found.

import { Client, GradwireError, Tensor } from "gradwire";

const { service, silent, closed } = await (await fetch("/addresses")).json();
const job = { loss: "softmax_cross_entropy", scores: [[2.0, 0.5, -1.0], [0.1, 1.2, 3.0]], labels: [[0], [1, 2]] };

async function reply(options, more = {}) {
  const { loss, grad, requestId } = await new Client(service, options).grad({ ...job, ...more });
  return { loss, grad: grad.toArrays(), kind: grad.data.constructor.name, requestId };
}

async function error(call) {
  const caught = await call.then(() => undefined, (each) => each);
  return { name: caught?.name, message: caught?.message, status: caught?.status, ours: caught instanceof GradwireError, requestId: caught?.requestId };
}

async function all() {
  const found = {
    binary: await reply({}),
    json: await reply({ form: "json" }),
    float64: await reply({}, { scores: new Tensor(Float64Array.from(job.scores.flat()), [2, 3]) }),
    refused: await error(new Client(service).grad({ ...job, loss: "focl" })),
    ragged: await error(new Client(service).grad({ ...job, scores: [[1, 2], [3]] })),
    unreachable: await error(new Client(closed).grad(job)),
    timedOut: await error(new Client(silent, { timeoutMs: 300 }).grad(job)),
    givenUp: await error(new Client(silent).grad(job, { signal: AbortSignal.timeout(100) })),
  };
  return { ...found, many: (await Promise.all(Array.from({ length: 50 }, () => reply({})))).length };
}

const found = await all().catch((each) => ({ failure: String(each?.stack ?? each) }));
await fetch("/found", { method: "POST", body: JSON.stringify(found) });
