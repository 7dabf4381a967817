// What Node and a browser do alike: run the graphs of an index in ONNX Runtime, and write down their outputs.

const ARRAYS = { float16: Uint16Array, float32: Float32Array, float64: Float64Array, int64: BigInt64Array, bool: Uint8Array };
const OPTIONS = { executionProviders: ["cpu"], intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 };

/** The tensor at a place of the data. */
function tensor(ort, data, { type, shape, offset, bytes }) {
  return new ort.Tensor(type, new ARRAYS[type](data.slice(offset, offset + bytes)), shape);
}

/** The bytes of an output, as text. */
function written({ type, dims, data }) {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { type, shape: [...dims], base64: btoa(String.fromCharCode(...bytes)) };
}

async function outputs(ort, session, data, { feeds }) {
  const tensors = Object.entries(feeds).map(([name, place]) => [name, tensor(ort, data, place)]);
  const found = await session.run(Object.fromEntries(tensors));
  return Object.fromEntries(Object.entries(found).map(([name, output]) => [name, written(output)]));
}

/** The outputs of each run of a graph, or why there are none. */
async function outcome(ort, { name, runs }, bytes, data, options) {
  let session;
  try {
    session = await ort.InferenceSession.create(bytes, options);
    const done = [];
    for (const run of runs) done.push(await outputs(ort, session, data, run));
    return { graph: name, runs: done };
  } catch (error) {
    return { graph: name, why: String(error?.message ?? error) };
  } finally {
    await session?.release();
  }
}

/** Every graph of a loss as a line of JSON; `read` gives the bytes of a file of its folder. */
export async function lines(ort, read, options = OPTIONS) {
  const index = JSON.parse(new TextDecoder().decode(await read("index.json")));
  const data = (await read(index.data)).slice().buffer;
  const done = [];
  for (const graph of index.graphs) {
    done.push(JSON.stringify(await outcome(ort, graph, await read(graph.file), data, options)));
  }
  return done;
}
