// Classifies photographs with the exported network, in this browser.

import { startWorker } from "./facts.js";
import { normalised, seen, softmax } from "./pixels.js";

const at = (id) => document.getElementById(id);
const SHOWN = 5;
const SEEN = { crop: "the middle", stretch: "the whole picture, out of proportion", letterbox: "the whole picture" };
const LEAST = 5; // the first calls after loading are slow, while the browser still compiles; the median of the later half is told
const MOST_MS = 800;

let known, worker, values, stream;

function say(text, bad = false) {
  at("state").textContent = text;
  at("state").classList.toggle("bad", bad);
}

async function guarded(deed) {
  try {
    await deed();
  } catch (error) {
    say(String(error.message || error), true);
  }
}

async function open(file) {
  let picture;
  try {
    picture = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    throw new Error(`'${file.name || "the picture"}' is no image that this browser can read.`);
  }
  stopCamera();
  await classify(picture, picture.width, picture.height);
  picture.close();
}

async function classify(picture, width, height) {
  values = normalised(seen(picture, width, height, at("seen"), known), known);
  await run();
}

async function run() {
  say("Classifying …");
  at("again").disabled = true;
  const shape = [1, known.channels, known.height, known.width];
  const took = [];
  let logits;
  const until = performance.now() + MOST_MS;
  while (took.length < LEAST || performance.now() < until) {
    const found = await worker({ do: "answer", name: known.network, values, shape });
    logits = found.logits;
    took.push(found.ms);
  }
  const steady = took.slice(took.length >> 1).sort((a, b) => a - b);
  show(softmax(logits), steady[steady.length >> 1], steady.length);
  at("again").disabled = false;
}

function show(shares, ms, calls) {
  const best = shares.map((share, i) => [share, i]).sort((a, b) => b[0] - a[0]).slice(0, SHOWN);
  at("classes").replaceChildren(
    ...best.map(([share, i]) => {
      const item = document.createElement("li");
      const row = Object.assign(document.createElement("div"), { className: "row" });
      const name = Object.assign(document.createElement("span"), { className: "name" });
      name.textContent = known.classes[i] ?? `class ${i}`;
      const told = Object.assign(document.createElement("span"), { className: "share" });
      told.textContent = `${(100 * share).toFixed(1)} %`;
      row.append(name, told);
      item.append(row, Object.assign(document.createElement("meter"), { value: share }));
      return item;
    }),
  );
  say(`${known.classes[best[0][1]] ?? `class ${best[0][1]}`}, ${(100 * best[0][0]).toFixed(1)} %, in ${ms.toPrecision(3)} ms`);
  const elsewhere = Object.entries(known.measured_ms).map(([device, took]) => `${device} ${took.toPrecision(3)} ms`);
  at("took").textContent =
    `Median of the last ${calls} calls here: ${ms.toPrecision(3)} ms, WebAssembly, one thread.` +
    (elsewhere.length ? ` Measured at the export: ${elsewhere.join(", ")}.` : "");
}

async function startCamera() {
  if (stream) {
    const picture = await createImageBitmap(at("video")); // which goes on while its parts are read
    await classify(picture, picture.width, picture.height);
    picture.close();
    stopCamera();
    return;
  }
  stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  at("video").srcObject = stream;
  await at("video").play();
  at("video").hidden = false;
  at("camera").textContent = "Take the picture";
}

function stopCamera() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = undefined;
  at("video").hidden = true;
  at("camera").textContent = "Use the camera";
}

async function main() {
  known = await (await fetch("facts.json")).json();
  at("lead").textContent = `${known.title}, trained on ${known.dataset}: ${known.classes.length} classes.`;
  at("seen-note").textContent = `What the network sees: ${SEEN[known.fit]}, at ${known.width}x${known.height} pixels.`;
  worker = startWorker();
  await worker({ do: "begin", script: known.script, backend: "wasm", threads: 1 });
  await worker({ do: "load", name: known.network });
  say("Ready. Choose a photograph.");
  at("camera").hidden = !navigator.mediaDevices?.getUserMedia;
  at("file").addEventListener("change", () => at("file").files[0] && guarded(() => open(at("file").files[0])));
  at("camera").addEventListener("click", () => guarded(startCamera));
  at("again").addEventListener("click", () => guarded(run));
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("drop");
  });
  document.addEventListener("dragleave", () => document.body.classList.remove("drop"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("drop");
    if (event.dataTransfer.files[0]) guarded(() => open(event.dataTransfer.files[0]));
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData.files[0]) guarded(() => open(event.clipboardData.files[0]));
  });
  document.documentElement.dataset.ready = "yes";
}

guarded(main);
