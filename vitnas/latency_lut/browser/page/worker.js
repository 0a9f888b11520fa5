// Runs networks apart from the page, so that the page stays awake. One message in, one message out, in order.

const sessions = new Map();
let ort, backend;
let idleSince = 0;

const IDLE_MS = 5; // after a longer rest a first call is not timed: it finds the processor asleep and the caches cold

const deeds = {
  async begin({ script, backend: wanted, threads }) {
    ort = await import(`./${script}`);
    ort.env.wasm.numThreads = threads;
    ort.env.wasm.wasmPaths = new URL(".", import.meta.url).href;
    ort.env.logLevel = "error";
    backend = wanted;
    return {};
  },

  async forget() {
    for (const { session } of sessions.values()) await session.release();
    sessions.clear();
    return {};
  },

  async load({ name, shape }) {
    const answer = await fetch(name, { cache: "no-store" });
    if (!answer.ok) throw new Error(`${name} could not be loaded: ${answer.status}`);
    const session = await ort.InferenceSession.create(new Uint8Array(await answer.arrayBuffer()), {
      executionProviders: [backend],
      graphOptimizationLevel: "all",
    });
    sessions.set(name, { session, feeds: shape && { [session.inputNames[0]]: made(shape) } });
    return {};
  },

  async run({ name, runs }) {
    const { session, feeds } = sessions.get(name);
    if (performance.now() - idleSince > IDLE_MS) await call(session, feeds);
    const start = performance.now();
    for (let i = 0; i < runs; i++) await call(session, feeds);
    idleSince = performance.now();
    return { ms: idleSince - start };
  },

  async answer({ name, values, shape }) {
    const { session } = sessions.get(name);
    const start = performance.now();
    const found = await session.run({ [session.inputNames[0]]: new ort.Tensor("float32", values, shape) });
    const ms = performance.now() - start;
    const output = found[session.outputNames[0]];
    const logits = Float32Array.from(output.data);
    output.dispose();
    return { ms, logits };
  },
};

async function call(session, feeds) {
  const found = await session.run(feeds);
  for (const tensor of Object.values(found)) tensor.dispose();
}

// Numbers of a usual size, the same every time; latency does not depend on them.
function made(shape) {
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
  for (let i = 0; i < values.length; i++) values[i] = 2 * Math.sin(12.9898 * i + 1);
  return new ort.Tensor("float32", values, shape);
}

let line = Promise.resolve();
self.onmessage = ({ data }) => {
  line = line.then(async () => {
    try {
      self.postMessage({ id: data.id, ...(await deeds[data.do](data)) });
    } catch (error) {
      self.postMessage({ id: data.id, error: String((error && error.message) || error) });
    }
  });
};
