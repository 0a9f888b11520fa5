// Asks the server for jobs, hands them to the worker, and brings the answers back with the next question.

import { facts, startWorker } from "./facts.js";

const at = (id) => document.getElementById(id);
const ALIVE_MS = 5000;
const AGAIN_MS = 1000;
const TRIES = 20;

let page = "";
let blocks = 0;

function say(text, bad = false) {
  at("state").textContent = text;
  at("state").classList.toggle("bad", bad);
}

async function post(name, body) {
  for (let tried = 1; ; tried++) {
    try {
      const answer = await fetch(name, { method: "POST", body: JSON.stringify(body) });
      if (answer.ok) return await answer.json();
      throw Object.assign(new Error(await answer.text()), { final: true });
    } catch (error) {
      if (error.final || tried === TRIES) throw error;
      say("The computer that served this page does not answer; trying again …", true);
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

function shown() {
  if (document.visibilityState === "visible") return Promise.resolve();
  return new Promise((resolve) => {
    const look = () => {
      if (document.visibilityState !== "visible") return;
      document.removeEventListener("visibilitychange", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
  });
}

// A block during which the page was out of sight does not count: browsers then hold it back.
async function timed(worker, job) {
  for (;;) {
    await shown();
    let hidden = false;
    const note = () => (hidden = true);
    document.addEventListener("visibilitychange", note);
    const found = await worker(job);
    document.removeEventListener("visibilitychange", note);
    if (!hidden) return found;
  }
}

async function work(worker, job) {
  if (job.say) say(job.say[0].toUpperCase() + job.say.slice(1) + " …");
  if (job.do === "note") return {};
  const pulse = setInterval(() => fetch("alive", { method: "POST", body: JSON.stringify({ page }) }).catch(() => {}), ALIVE_MS);
  try {
    const found = await (job.do === "run" ? timed(worker, job) : worker(job));
    if (job.do === "run") {
      at("blocks").textContent = String(++blocks);
      at("last").textContent = `${(found.ms / job.runs).toPrecision(4)} ms`;
    }
    return { ms: found.ms };
  } catch (error) {
    return { error: String(error.message || error).slice(0, 1000) };
  } finally {
    clearInterval(pulse);
  }
}

async function hello(known) {
  const answer = await post("hello", known);
  if (answer.refused) throw new Error(answer.refused);
  page = answer.page;
}

async function stayAwake() {
  try {
    await navigator.wakeLock?.request("screen");
  } catch {
    at("note").textContent = "Keep the screen on: this page cannot.";
  }
}

async function main() {
  const begin = await (await fetch("begin.json")).json();
  const known = await facts();
  at("browser").textContent = [known.browser, known.system, known.model].filter(Boolean).join(", ");
  at("where").textContent =
    begin.backend === "webgpu" ? `WebGPU, ${known.gpu}` : `WebAssembly, ${begin.threads} thread${begin.threads > 1 ? "s" : ""}`;
  if (!navigator.wakeLock) at("note").textContent = "Keep the screen on: this page cannot.";
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && stayAwake());
  await stayAwake();
  window.addEventListener("pagehide", () => page && navigator.sendBeacon("bye", JSON.stringify({ page })));
  const worker = startWorker();
  await worker({ do: "begin", ...begin });
  await hello(known);
  say("Waiting for the first network …");
  for (let done = {}; ; ) {
    const job = await post("turn", { page, ...done });
    done = {};
    if (job.do === "wait") continue;
    if (job.do === "hello") {
      await worker({ do: "forget" });
      await hello(known);
    } else if (job.do === "over") {
      return say("Another page has taken over; this one may be closed.");
    } else if (job.do === "end") {
      return say(job.say);
    } else {
      done = { number: job.number, ...(await work(worker, job)) };
    }
  }
}

main().catch((error) => say(String(error.message || error), true));
