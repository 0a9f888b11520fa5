// Puts the page of an automatic search together: its table, its plan, who stood where, how the trainings went.

const found = JSON.parse(byId("data").textContent);

// Cells of text under their columns; `numeric` says which columns hold figures.
function fillTable(table, { columns, rows, numeric }, caption = null) {
  const kind = (i) => (numeric[i] ? "number" : null);
  table.replaceChildren(
    ...(caption ? [element("caption", {}, caption)] : []),
    element("thead", {}, element("tr", {}, ...columns.map((name, i) => element("th", { scope: "col", class: kind(i) }, name)))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((cell, i) =>
      element(i ? "td" : "th", { scope: i ? null : "row", class: kind(i) }, cell))))),
  );
  return table;
}

// A line a network: the point, the interval around it, and its name and figure above.
function drawIntervals(holder, lines, { xTitle, label }) {
  const tall = 52;
  const { svg, place, x, box } = figure(holder, {
    xTitle, label, xSpan: span(lines.flatMap((line) => line.interval), 0.12), ySpan: [0, 1], pixels: lines.length * tall + 66,
  });
  lines.forEach((line, i) => {
    const y = box.top + (i + 0.65) * tall, colour = `var(--series-${i % 4})`, [low, high] = line.interval.map(x);
    const right = x(line.value) > (box.left + box.right) / 2;
    place.append(
      shape("line", { x1: low, x2: high, y1: y, y2: y, "stroke-width": 3, "stroke-linecap": "round", style: `stroke: ${colour}` }),
      mark(i, x(line.value), y, 5),
    );
    svg.append(shape("text", { x: right ? high : low, y: y - 12, "text-anchor": right ? "end" : "start" }, `${line.name}: ${line.text}`));
  });
}

function drawAutomation() {
  byId("title").textContent = found.title;
  byId("summary").textContent = found.summary;
  byId("made").textContent = `Made by vitnas ${found.vitnas} at ${found.made}. This page holds its data and asks for nothing from anywhere.`;
  const { board, plan } = found;
  drawIntervals(byId("board-figure"), board.lines, {
    xTitle: board.axis, label: `${board.axis}: ${board.lines.map((line) => `${line.name} ${line.text}`).join("; ")}`,
  });
  fillTable(byId("board-table"), board);
  byId("verdict").replaceChildren(...board.verdict.map((text) => element("p", {}, text)));
  byId("board-note").textContent = board.note;
  byId("parts").hidden = found.parts.length === 0;
  byId("part-links").replaceChildren(...found.parts.map(({ name, page }) =>
    element("li", {}, element("a", { href: page }, `Within ${name}: plan, candidates, trainings, commands`))));
  byId("plan").hidden = plan === null;
  if (plan) {
    fillTable(byId("plan-table"), plan);
    byId("plan-note").textContent = plan.note;
  }
  byId("rungs").hidden = found.rungs.length === 0;
  byId("rung-tables").replaceChildren(...found.rungs.map((rung) =>
    element("div", { class: "wide" }, fillTable(element("table"), rung, rung.title))));
  byId("training").hidden = Object.keys(found.curves).length === 0;
  if (!byId("training").hidden) {
    const ends = Object.entries(found.curves).map(([name, points]) => `${name} ends at ${round(points.at(-1)[1], 3)}`);
    drawCurves(byId("loss-figure"), found.curves, { xTitle: "Step", yTitle: "Training loss", label: `Training loss over the steps: ${ends.join(", ")}` });
  }
  byId("by-hand").hidden = found.commands.length === 0;
  byId("commands").textContent = found.commands.join("\n");
}

let drawnAt = 0;
addEventListener("resize", () => {
  if (drawnAt !== innerWidth) drawAutomation();
  drawnAt = innerWidth;
});
drawnAt = innerWidth;
drawAutomation();
