// usage: node in_node.mjs FOLDER - run every graph there in ONNX Runtime for Node, and write its outputs beside it.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import ort from "onnxruntime-node";
import { lines } from "./run.mjs";

const folder = process.argv[2];
const { losses } = JSON.parse(await readFile(join(folder, "index.json"), "utf8"));
for (const loss of losses) {
  const done = await lines(ort, async (file) => new Uint8Array(await readFile(join(folder, loss, file))));
  await writeFile(join(folder, loss, "node.jsonl"), done.join("\n"));
  console.log(`node: ${loss}, ${done.length} graphs`);
}
