// Puts the page together, keeps what was chosen, and follows a search that is still at work.

const EVERY_MS = 3000;
let data = JSON.parse(byId("data").textContent);
const view = { at: 0, result: null, x: 0, y: 0, whole: false, chosen: null, order: null, filter: "", frontOnly: true, shown: PAGE };

function start() {
  byId("front-choice").addEventListener("change", (event) => { view.at = Number(event.target.value); takeResult(); drawAll(); });
  byId("x-axis").addEventListener("change", (event) => { view.x = Number(event.target.value); drawResult(); });
  byId("y-axis").addEventListener("change", (event) => { view.y = Number(event.target.value); drawResult(); });
  byId("whole").addEventListener("change", (event) => { view.whole = event.target.checked; drawResult(); });
  byId("filter").addEventListener("input", (event) => { view.filter = event.target.value; view.shown = PAGE; drawRows(); });
  byId("front-only").addEventListener("change", (event) => { view.frontOnly = event.target.checked; view.shown = PAGE; drawRows(); });
  byId("more").addEventListener("click", () => { view.shown += PAGE; drawRows(); });
  let waiting = 0, width = innerWidth;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { if (width !== innerWidth) { width = innerWidth; drawAll(); } }, 150);
  });
  view.at = Math.max(0, data.results.findIndex((result) => result.at_work));
  takeResult();
  drawAll();
  if (data.live) setTimeout(follow, EVERY_MS);
}

// What the axes and the choice are when a front is shown first.
function takeResult() {
  view.result = data.results[view.at] ?? null;
  const { result } = view;
  if (!result) return;
  const names = result.quantities.map((q) => q.name);
  const worth = result.objectives.find((o) => o.direction === "maximise") ?? result.objectives[0];
  const costs = result.objectives.filter((o) => o.direction === "minimise" && o !== worth);
  const cost = costs.find((o) => o.name.includes("latency")) ?? costs[0] ?? worth;
  view.x = names.indexOf(cost.name);
  view.y = names.indexOf(worth.name);
  view.order = { column: view.x, down: false };
  view.chosen = result.knee;
}

function drawAll() {
  byId("title").textContent = data.title;
  byId("made").textContent = `Made by vitnas ${data.vitnas} at ${data.made}. This page holds its data and asks for nothing from anywhere${data.live ? " but the dashboard that serves it" : ""}.`;
  byId("choice").hidden = data.results.length < 2;
  byId("front-choice").replaceChildren(...data.results.map((result, i) =>
    element("option", { value: i, selected: i === view.at ? "" : null }, result.device ? `${result.name} (${result.device})` : result.name)));
  const { result } = view;
  byId("summary").textContent = result
    ? `${result.front.length} archs on the front of ${result.evaluations} evaluated in ${result.space}${result.device ? `, for ${result.device}` : ""}${result.seed === null ? "" : `; seed ${result.seed}`}`
    : "No search has evaluated an arch yet.";
  byId("state").textContent = data.at_work ? "At work: these are the results so far." : "";
  byId("links").replaceChildren(...Object.entries(data.links).map(([name, href]) => element("a", { href, rel: "noreferrer" }, name)));
  for (const id of ["front", "archs", "genes"]) byId(id).hidden = !result;
  if (result) {
    for (const [id, at] of [["x-axis", view.x], ["y-axis", view.y]]) {
      byId(id).replaceChildren(...result.quantities.map((q, i) =>
        element("option", { value: i, selected: i === at ? "" : null }, axisTitle(q))));
    }
    const example = result.quantities[view.x], gene = Object.keys(result.rows[0][1])[0];
    const value = [result.rows[0][1][gene]].flat()[0];
    byId("filter-note").textContent = `All words must hold: parts of an id, or comparisons in the units of the columns such as ${example.name}<${round((result.rows[0][2][view.x] ?? 1) * example.factor, 2)} or ${gene}=${value}.`;
    drawResult();
  }
  byId("growth").hidden = !result || result.growth.length === 0;
  if (!byId("growth").hidden) {
    const curve = result.growth.map(([n, share]) => [n, 100 * share]);
    drawCurves(byId("growth-figure"), { hypervolume: curve }, {
      xTitle: "Evaluations", yTitle: "Hypervolume (% of the box)", steps: true,
      label: `Hypervolume over evaluations, ${round(curve.at(-1)[1], 3)} % after ${curve.at(-1)[0]}`,
    });
  }
  drawTest(data.test);
  drawTraining(data.training);
  drawTables(data.tables);
  drawPredictor(data.predictor);
  drawProvenance(data, result);
}

function drawResult() {
  drawFront(byId("front-figure"), byId("front-note"), view, choose);
  drawChosen(byId("chosen"), view.result, view.chosen, false);
  drawRows();
}

function drawRows() {
  drawTable(view, choose, (column) => {
    view.order = { column, down: view.order.column === column ? !view.order.down : startsDown(column) };
    drawRows();
    document.querySelector(`#arch-table [data-column="${column}"]`).focus();
  });
  drawGenes(byId("gene-table"), view.result, view.chosen, choose);
}

// The best comes first.
function startsDown(column) {
  return typeof column === "number" && view.result.quantities[column].more_is_better;
}

function choose(id, keyboard = false) {
  const before = document.activeElement?.closest("[data-arch]");
  const inTable = before?.closest("#arch-table");
  view.chosen = id;
  drawResult();
  if (keyboard) document.querySelector(`#front-figure [role="option"][data-arch="${id}"]`)?.focus();
  if (inTable) document.querySelector(`#arch-table tr[data-arch="${id}"] button`)?.focus();
}

// Asks the dashboard for news; what was chosen, sorted and filtered stays.
async function follow() {
  try {
    const answer = await fetch(`data.json${location.search}`, { cache: "no-store" });
    if (!answer.ok) throw new Error(`the dashboard answered ${answer.status}`);
    const news = await answer.json();
    const changed = JSON.stringify({ ...news, made: "" }) !== JSON.stringify({ ...data, made: "" });
    const name = view.result?.name;
    data = news;
    if (changed) {
      view.at = Math.max(0, data.results.findIndex((result) => result.name === name));
      if (data.results[view.at]?.name === name && name !== undefined) {
        view.result = data.results[view.at];
        if (!view.result.rows.some((row) => row[0] === view.chosen)) view.chosen = view.result.knee;
      } else takeResult();
      drawAll();
    }
    setTimeout(follow, EVERY_MS);
  } catch (error) {
    byId("state").textContent = `The dashboard no longer answers (${error.message}); this is the last that it told.`;
    setTimeout(follow, 4 * EVERY_MS);
  }
}

start();
