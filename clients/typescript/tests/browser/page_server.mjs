// Serves the page and the built module on 127.0.0.1, and waits for what the page finds.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const TYPES = { html: "text/html", js: "text/javascript", mjs: "text/javascript", map: "application/json" };

/** `origin` of the page, what it `found` (a promise), and `close`. `addresses` may be set until the page is opened. */
export async function servePage() {
  let tell;
  const found = new Promise((resolve) => (tell = resolve));
  const page = { addresses: {}, origin: "", found, close: () => (server.close(), server.closeAllConnections()) };
  const server = createServer(async (request, response) => {
    if (request.url === "/addresses") return response.end(JSON.stringify(page.addresses));
    if (request.url === "/found") return tell(JSON.parse(await bodyOf(request))), response.end();
    const file = fileOf(new URL(request.url, "http://127.0.0.1").pathname);
    const content = await readFile(file).catch(() => undefined);
    response.writeHead(content ? 200 : 404, { "Content-Type": TYPES[file.split(".").pop()] ?? "text/plain" }).end(content);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  page.origin = `http://127.0.0.1:${server.address().port}`;
  return page;
}

function fileOf(path) {
  const from = path.startsWith("/dist/") ? `../..${path}` : `.${path === "/" ? "/index.html" : path}`;
  return fileURLToPath(new URL(from, import.meta.url));
}

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
