// What stands around the front: training, tables, predictor, where all of it comes from.

function pairs(entries) {
  return element("dl", { class: "pairs" }, ...entries.filter(([, value]) => value !== null && value !== undefined && value !== "")
    .flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, String(value))]));
}

// {a: {b: 1}} as [["a.b", 1]]
function flatten(data, prefix = "") {
  return Object.entries(data ?? {}).flatMap(([name, value]) => {
    const plain = value === null || typeof value !== "object" || Array.isArray(value);
    return plain ? [[prefix + name, Array.isArray(value) ? value.join(", ") || "none" : value]] : flatten(value, `${prefix}${name}.`);
  });
}

function drawTraining(training) {
  const kinds = [
    ["loss", "loss-figure", "Loss", 1],
    ["accuracy", "accuracy-figure", "Top-1 accuracy (%)", 100],
    ["map", "accuracy-figure", "mAP (%)", 100],
    ["miou", "accuracy-figure", "mIoU (%)", 100],
  ].filter(([kind]) => kind === "loss" || kind in (training ?? {}));
  let any = false;
  for (const [kind, id, yTitle, factor] of kinds) {
    const curves = Object.fromEntries(Object.entries(training?.[kind] ?? {})
      .map(([name, points]) => [name, points.map(([step, value]) => [step, value * factor])]));
    byId(id).hidden = Object.keys(curves).length === 0;
    if (byId(id).hidden) continue;
    any = true;
    byId("training").hidden = false;
    const last = Object.entries(curves).map(([name, points]) => `${name} ends at ${round(points.at(-1)[1], 3)}`);
    drawCurves(byId(id), curves, { xTitle: "Step", yTitle, label: `${yTitle} over the steps: ${last.join(", ")}` });
  }
  byId("training").hidden = !any;
}

// What networks have right on images that nothing was chosen by, with how far off that may be.
function drawTest(test) {
  byId("test").hidden = !test;
  if (!test) return;
  const percent = (share, digits) => `${(100 * share).toFixed(digits)} %`;
  byId("test-note").textContent = test.networks.length
    ? "No training and no search saw these images. Intervals are at 95 %; networks whose intervals overlap widely may be equally good, and whoever chooses among them by this table needs other images to testify."
    : test.kept
      ? "Test images are kept, and no network has been judged by them yet: vitnas export does so, and vitnas evaluate. All other accuracies are on the validation images, by which networks are chosen."
      : "This run keeps no test images. All accuracies are on the validation images, by which networks are chosen, so those of the chosen are too high by a little.";
  byId("test-table").hidden = test.networks.length === 0;
  const columns = ["Arch", "Weights", `${test.metric.replace(" accuracy", "")} (%)`, "95 % interval", "Images", "Measured"];
  byId("test-table").replaceChildren(
    element("thead", {}, element("tr", {}, ...columns.map((title) => element("th", { scope: "col" }, title)))),
    element("tbody", {}, ...test.networks.map((one) => element("tr", {},
      element("th", { scope: "row", class: "mono" }, one.arch_id),
      element("td", {}, one.weights),
      element("td", { class: "number" }, (100 * one.value).toFixed(2)),
      element("td", { class: "number" }, `${percent(one.interval[0], 1)} to ${percent(one.interval[1], 1)}`),
      element("td", { class: "number" }, String(one.num_images)),
      element("td", {}, one.date)))),
  );
}

function drawTables(tables) {
  byId("tables").hidden = tables.length === 0;
  byId("table-figures").replaceChildren(...tables.map((table) => {
    const holder = element("div", { class: "figure" });
    const facts = [element("h3", {}, table.device), element("p", { class: "note" }, table.text)];
    if (table.layers) facts.push(element("p", { class: "note" }, `layers: ${flatten(table.layers).map(([k, n]) => `${n} ${k}`).join(", ")}; made ${table.created}`));
    facts.push(...table.warnings.map((text) => element("p", { class: "warning" }, text)));
    return element("div", {}, ...facts, holder);
  }));
  tables.forEach((table, i) => {
    if (table.networks.length === 0) return;
    drawAgreement(byId("table-figures").children[i].lastChild, table.networks, {
      xTitle: "Measured latency (ms)", yTitle: "Told by the table (ms)", deviations: 2, band: 0.1,
      label: `Latency of ${table.networks.length} whole networks as the table of ${table.device} tells it, against measured: ${table.text}`,
    });
  });
}

function drawExports(exported) {
  byId("exports").hidden = exported.length === 0;
  byId("export-figures").replaceChildren(...exported.map((one) => element("div", {},
    element("h3", {}, one.folder, " ", element("span", { class: "mono" }, one.arch)),
    element("table", {},
      element("thead", {}, element("tr", {}, ...one.columns.map((name) => element("th", { scope: "col" }, name)))),
      element("tbody", {}, ...one.rows.map((row) => element("tr", {}, ...row.map((cell) => element("td", {}, cell)))))),
    ...one.remarks.map((text) => element("p", { class: "warning" }, text)))));
}

function drawPredictor(predictor) {
  byId("predictor").hidden = !predictor;
  if (!predictor) return;
  const { report } = predictor, percent = ["accuracy", "map", "miou"].includes(predictor.quantity);
  const unit = percent ? " (%)" : "";
  drawAgreement(byId("predictor-figure"), predictor.archs, {
    xTitle: `Evaluated ${predictor.quantity}${unit}`, yTitle: `Predicted ${predictor.quantity}${unit}`,
    factor: percent ? 100 : 1, deviations: 1.645,
    label: `Predicted against evaluated ${predictor.quantity} of ${predictor.archs.length} archs, Kendall tau ${round(report.kendall, 3)}`,
  });
  byId("predictor-text").replaceChildren(
    pairs([
      ["predictor", predictor.name], ["archs", predictor.archs.length], ["Kendall tau", round(report.kendall, 3)],
      ["  by parameters alone", round(report.kendall_of_params, 3)], ["Spearman", round(report.spearman, 3)],
      ["mean absolute error", round(report.mae, 3)],
      ["inside the 90 % interval", report.covered === null ? null : `${Math.round(100 * report.covered)} %`],
    ]),
    element("p", { class: "note" }, "Bars are 90 % intervals. Every arch was predicted by a fit that had not seen it."),
    ...(predictor.warning ? [element("p", { class: "warning" }, predictor.warning)] : []),
  );
}

function drawProvenance(data, result) {
  const parts = [];
  if (result) {
    const { origin, ...config } = result.config;
    parts.push(pairs([
      ["search space", result.space], ["version of the space", result.fingerprint],
      ...flatten(origin).map(([name, value]) => [name === "table" ? "latency table made" : name, value]),
      ["seed", result.seed],
      ["evaluations", `${result.evaluations}${result.failed ? `, ${result.failed} failed` : ""}`],
    ]));
    parts.push(...result.notes.map((text) => element("p", { class: "note" }, text)));
    parts.push(folded("Settings of the search", flatten(config)));
    parts.push(folded("Versions", flatten(result.versions)));
  }
  if (data.run) {
    parts.push(folded("Settings of the run", flatten(data.run.config)));
    if (data.run.environment) parts.push(folded("Machine and versions of the training", flatten(data.run.environment)));
  }
  byId("provenance").replaceChildren(...parts.filter(Boolean));
}

function folded(title, entries) {
  return entries.length ? element("details", {}, element("summary", {}, title), pairs(entries)) : null;
}

// The chosen arch in words, as a file and as a command.
function drawChosen(holder, result, id, focus) {
  const row = result.rows.find((each) => each[0] === id);
  if (!row) {
    holder.replaceChildren(element("p", {}, "Choose an arch in the figure or the table."));
    return;
  }
  const onFront = result.front.includes(id);
  const size = groupSize(result, id), picks = pickNames(result, id);
  const badges = [...picks, onFront ? "on the front" : null, size > 1 ? `one of ${size} within the error` : null].filter(Boolean);
  const file = `${JSON.stringify({ space: result.space, genes: row[1] }, null, 2)}\n`;
  const picked = onFront && result.export_front;
  const command = picked ? `${result.export_front} --pick ${id} --out ${id}`
    : result.export_arch ? `${result.export_arch} --arch ${id}.json --out ${id}` : null;
  const copy = element("button", { type: "button", onclick: () => copyText(command, copy) }, "Copy");
  const genes = pairs(Object.entries(row[1]).map(([name, value]) => [name, Array.isArray(value) ? value.join(" ") : value]));
  if (Object.keys(row[1]).length > 12 && !Object.values(row[1]).some(Array.isArray)) genes.classList.add("many");
  const title = element("h3", { tabindex: -1 }, element("span", { class: "mono" }, id), " ",
    ...badges.flatMap((text) => [element("span", { class: "badge" }, text), " "]));
  holder.replaceChildren(
    title,
    ...picks.map((name) => element("p", { class: "note" }, `${name}: ${result.picks[name].trade}`)),
    pairs(result.quantities.map((q, i) => {
      const from = (result.provenance[id] ?? [])[i];
      return [q.title, row[2][i] === null ? null : `${figureText(q, row[2][i], row[3][i])}${from ? `, ${from}` : ""}`];
    })),
    element("h4", {}, "Genes"),
    genes,
    element("p", { class: "controls" }, element("a", {
      class: "button", id: "download", download: `${id}.json`, href: `data:application/json;charset=utf-8,${encodeURIComponent(file)}`,
    }, "Download arch JSON")),
    element("h4", {}, "Export it"),
    ...(command ? [
      ...(picked ? [] : [element("p", { class: "note" }, "With the downloaded file:")]),
      element("code", { id: "command" }, command), element("p", { class: "controls" }, copy),
    ] : [element("p", { class: "note" }, `No supernet judged this search or lies beside it. Train one with vitnas train-supernet --space ${result.space}, then export with --arch ${id}.json.`)]),
  );
  if (focus) title.focus();
}

async function copyText(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(byId("command")); // where the clipboard is closed, one key is left to press
    button.textContent = "Selected: press Ctrl+C";
  }
}
