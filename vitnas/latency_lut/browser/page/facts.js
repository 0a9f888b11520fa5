// What a browser tells of itself, and how pages speak with the worker beside them.

export function startWorker() {
  const worker = new Worker("worker.js", { type: "module" });
  const waiting = new Map();
  let last = 0;
  const fail = (text) => {
    for (const { reject } of waiting.values()) reject(new Error(text));
    waiting.clear();
  };
  worker.onmessage = ({ data }) => {
    const { resolve, reject } = waiting.get(data.id) ?? {};
    waiting.delete(data.id);
    if (data.error !== undefined) reject?.(new Error(data.error));
    else resolve?.(data);
  };
  worker.onerror = (event) => fail(event.message || "the worker could not be started");
  return (task) =>
    new Promise((resolve, reject) => {
      const id = ++last;
      waiting.set(id, { resolve, reject });
      worker.postMessage({ ...task, id });
    });
}

export async function facts() {
  const agent = navigator.userAgent;
  const hints = (await navigator.userAgentData
    ?.getHighEntropyValues?.(["architecture", "bitness", "model", "platformVersion", "fullVersionList"])
    .catch(() => ({}))) ?? {};
  const adapter = await navigator.gpu?.requestAdapter?.().catch(() => null);
  return Object.fromEntries(
    Object.entries({
      browser: browserOf(agent, hints),
      engine: engineOf(agent),
      system: hints.platform ? `${hints.platform} ${hints.platformVersion ?? ""}` : systemOf(agent),
      model: hints.model || (agent.match(/; ([^;()]+) Build\//) ?? agent.match(/\((iPhone|iPad)/) ?? ["", ""])[1],
      processor: hints.architecture ? `${hints.architecture} ${hints.bitness ?? ""}` : navigator.platform ?? "",
      gpu: gpuOf(adapter),
      cores: navigator.hardwareConcurrency ?? 0,
      isolated: self.crossOriginIsolated === true,
      webgpu: Boolean(adapter),
      clock_ms: clockStep(),
    }).map(([name, value]) => [name, typeof value === "string" ? plain(value) : value]),
  );
}

function plain(text) {
  return text.replace(/[^ -~]/g, "?").trim().slice(0, 200);
}

function browserOf(agent, hints) {
  const named = (hints.fullVersionList ?? []).filter(({ brand }) => !/not.?a.?brand/i.test(brand));
  const best = named.find(({ brand }) => brand !== "Chromium") ?? named[0];
  if (best) return `${best.brand} ${best.version}`;
  const known = [["Edge", /Edgi?A?o?S?\/([\d.]+)/], ["Firefox", /(?:Firefox|FxiOS)\/([\d.]+)/],
    ["Chrome", /(?:Chrome|CriOS)\/([\d.]+)/], ["Safari", /Version\/([\d.]+).*Safari/]];
  for (const [name, pattern] of known) {
    const found = agent.match(pattern);
    if (found) return `${name} ${found[1]}`;
  }
  return agent;
}

function engineOf(agent) {
  if (/Firefox\//.test(agent)) return "SpiderMonkey";
  return /(Chrome|Chromium)\//.test(agent) ? "V8" : /AppleWebKit/.test(agent) ? "JavaScriptCore" : "";
}

function systemOf(agent) {
  return (agent.match(/\(([^)]*)\)/) ?? ["", ""])[1];
}

function gpuOf(adapter) {
  const info = adapter?.info;
  if (info?.vendor) return [info.vendor, info.architecture, info.description].filter(Boolean).join(" ");
  const context = document.createElement("canvas").getContext("webgl");
  if (!context) return "";
  const named = context.getExtension("WEBGL_debug_renderer_info");
  return String(context.getParameter(named ? named.UNMASKED_RENDERER_WEBGL : context.RENDERER));
}

// The smallest step that the clock is seen to take.
function clockStep() {
  let least = Infinity;
  for (let i = 0; i < 20; i++) {
    const start = performance.now();
    let now = start;
    while (now === start) now = performance.now();
    least = Math.min(least, now - start);
  }
  return Math.round(least * 1e4) / 1e4;
}
