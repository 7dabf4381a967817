// The page's program: run every graph in ONNX Runtime for the web (WebAssembly), and send its outputs to who served the page.

import * as ort from "/ort/ort.wasm.min.mjs";
import { lines } from "/run.mjs";

ort.env.wasm.wasmPaths = "/ort/";
ort.env.wasm.numThreads = 1;
const OPTIONS = { executionProviders: ["wasm"], logSeverityLevel: 3 };

async function bytes(path) {
  const reply = await fetch(path);
  if (!reply.ok) throw new Error(`${path}: ${reply.status}`);
  return new Uint8Array(await reply.arrayBuffer());
}

const send = (path, text) => fetch(path, { method: "POST", body: text });

try {
  const { losses } = JSON.parse(new TextDecoder().decode(await bytes("/graphs/index.json")));
  for (const loss of losses) {
    const done = await lines(ort, (file) => bytes(`/graphs/${loss}/${file}`), OPTIONS);
    await send(`/outcome/${loss}`, done.join("\n"));
  }
  await send("/end", "");
} catch (error) {
  await send("/end", String(error?.stack ?? error));
}
