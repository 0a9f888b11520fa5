// The front: points that can be hovered, walked along with the arrow keys, and chosen.

const REACH = 26;
const DENSE = 200; // so many points of a front cover each other

// view: {result, x, y, whole, chosen}; x and y number quantities. choose(id) is called with a click or Enter.
function drawFront(holder, note, view, choose) {
  const { result } = view, [qx, qy] = [result.quantities[view.x], result.quantities[view.y]];
  const onFront = new Set(result.front);
  const rows = result.rows.filter((row) => row[2][view.x] !== null && row[2][view.y] !== null);
  const points = rows.map((row) => ({
    row, id: row[0], front: onFront.has(row[0]),
    x: row[2][view.x] * qx.factor, y: row[2][view.y] * qy.factor,
    dx: (row[3][view.x] ?? 0) * qx.factor, dy: (row[3][view.y] ?? 0) * qy.factor,
  }));
  const best = points.filter((p) => p.front).sort((a, b) => a.x - b.x || a.y - b.y);
  if (best.length === 0) {
    holder.replaceChildren(element("p", { class: "note" }, `No arch of the front has both ${qx.title} and ${qy.title}.`));
    note.textContent = "";
    return;
  }
  const { xSpan, ySpan } = spans(best, points, view.whole);
  const outside = points.filter((p) => p.x < xSpan[0] || p.x > xSpan[1] || p.y < ySpan[0] || p.y > ySpan[1]).length;
  const drawn = figure(holder, {
    xTitle: axisTitle(qx), yTitle: axisTitle(qy), xSpan, ySpan, interactive: true,
    label: `${qy.title} against ${qx.title} of ${points.length} archs, ${best.length} on the front`,
  });
  const place = (p) => ({ ...p, px: drawn.x(p.x), py: drawn.y(p.y) });
  for (const p of points.filter((each) => !each.front).map(place)) {
    const chosen = p.id === view.chosen ? " chosen" : "";
    drawn.place.append(shape("circle", { class: `other${chosen}`, cx: p.px, cy: p.py, r: chosen ? 6 : 3, "data-arch": p.id }));
  }
  const placed = best.map(place);
  drawLimit(drawn, result, qx);
  if (isFront(result, qx, qy)) {
    const steps = path(stairs(placed, qx, qy), true);
    for (const group of result.groups) drawn.place.append(groupHalo(placed, group));
    drawn.place.append(shape("path", { d: steps, fill: "none", "stroke-width": 1.8, style: "stroke: var(--series-0)" }));
  }
  const tip = element("div", { class: "tip", "aria-hidden": "true" });
  tip.hidden = true;
  const list = shape("g", { role: "listbox", "aria-label": "Archs of the front; arrow keys walk, Enter chooses" });
  const tabStop = placed.findIndex((p) => p.id === view.chosen);
  placed.forEach((p, i) => {
    drawn.place.append(errorBars(drawn, p));
    list.append(frontPoint(p, view, i === Math.max(0, tabStop), placed.length > DENSE));
  });
  drawn.svg.append(list);
  // Among many points the picks must not vanish below their neighbours.
  for (const p of placed.filter((each) => pickNames(result, each.id).length)) {
    const chosen = p.id === view.chosen ? " chosen" : "", series = pickNames(result, p.id).includes("knee") ? 3 : 1;
    drawn.svg.append(mark(series, p.px, p.py, 7, { class: `point pick above${chosen}`, "aria-hidden": "true", style: "fill: var(--series-0)" }));
  }
  holder.append(tip);

  const show = (p) => {
    tip.replaceChildren(...describe(result, p.row));
    tip.hidden = false;
    const room = holder.clientWidth - tip.offsetWidth;
    tip.style.left = `${Math.max(0, Math.min(room, p.px + 14))}px`;
    const above = p.py - tip.offsetHeight - 12;
    tip.style.top = `${above > 0 ? above : p.py + 14}px`;
  };
  const hide = () => { tip.hidden = true; };
  const seen = points.filter((p) => !p.front).map(place).concat(placed)
    .filter((p) => p.px >= drawn.box.left - 1 && p.py <= drawn.box.bottom + 1);
  const nearest = (event) => {
    const frame = drawn.svg.getBoundingClientRect();
    const [a, b] = [event.clientX - frame.left, event.clientY - frame.top];
    let found = null, least = REACH;
    for (const p of seen) {
      const distance = Math.hypot(p.px - a, p.py - b) - (p.front ? 6 : 0); // the front is easier to hit
      if (distance < least) [found, least] = [p, distance];
    }
    return found;
  };
  drawn.svg.addEventListener("pointermove", (event) => {
    const p = nearest(event);
    if (p) show(p); else hide();
    drawn.svg.style.cursor = p ? "pointer" : "";
  });
  drawn.svg.addEventListener("pointerleave", hide);
  drawn.svg.addEventListener("click", (event) => {
    const p = nearest(event);
    if (p) choose(p.id);
  });
  const options = [...list.children];
  list.addEventListener("focusin", (event) => show(placed[options.indexOf(event.target)]));
  list.addEventListener("focusout", hide);
  list.addEventListener("keydown", (event) => {
    const at = options.indexOf(document.activeElement), last = options.length - 1;
    const to = { ArrowRight: at + 1, ArrowUp: at + 1, ArrowLeft: at - 1, ArrowDown: at - 1, Home: 0, End: last }[event.key];
    if (to !== undefined) {
      options[at].setAttribute("tabindex", -1);
      const next = options[Math.min(last, Math.max(0, to))];
      next.setAttribute("tabindex", 0);
      next.focus();
    } else if (event.key === "Enter" || event.key === " ") choose(placed[at].id, true);
    else if (event.key === "Escape") hide();
    else return;
    event.preventDefault();
  });
  note.replaceChildren(...frontNotes(result, outside).map((text) => element("span", {}, `${text} `)));
}

// What the marks are, what the picks give up, what cannot be told apart, what is not shown.
function frontNotes(result, outside) {
  const { best, knee, no_knee: none, groups, no_error: unknown } = result.picks, n = result.front.length;
  return [
    `The square is the best arch, the least costly that cannot be told from the most accurate: ${best.trade}.`,
    knee ? `The diamond is the knee, where paying more begins to gain little: ${knee.trade}.` : `There is no knee: ${none}.`,
    groups < n ? `A halo joins archs that differ by no more than their errors allow: ${n} archs, ${groups} distinguishable group${groups === 1 ? "" : "s"}.` : null,
    unknown.length ? `The error of ${unknown.join(", ")} is not known.` : null,
    result.left_out ? `${result.left_out} archs behind the front are left out of this page, evenly; evaluations.parquet has them.` : null,
    outside ? `${outside} archs lie outside the axes.` : null,
  ].filter(Boolean);
}

// A broad stroke through archs that cannot be told apart.
function groupHalo(placed, group) {
  const ids = new Set(group), points = placed.filter((p) => ids.has(p.id)).map((p) => [p.px, p.py]);
  if (points.length === 0) return "";
  return shape("path", { class: "group", d: path(points, false), style: "stroke: var(--series-0)" });
}

// "best" and "knee", where an arch is one of them.
function pickNames(result, id) {
  return ["best", "knee"].filter((name) => result.picks[name]?.id === id);
}

function groupSize(result, id) {
  return result.groups.find((group) => group.includes(id))?.length ?? 1;
}

function errorBars(drawn, p) {
  const bars = shape("g", { class: "error", style: "stroke: var(--series-0)" });
  if (p.dx) bars.append(shape("line", { x1: drawn.x(p.x - p.dx), x2: drawn.x(p.x + p.dx), y1: p.py, y2: p.py }));
  if (p.dy) bars.append(shape("line", { x1: p.px, x2: p.px, y1: drawn.y(p.y - p.dy), y2: drawn.y(p.y + p.dy) }));
  return bars;
}

function frontPoint(p, view, tabStop, dense) {
  const chosen = p.id === view.chosen;
  const names = chosen ? "point chosen" : dense ? "point dense" : "point";
  return shape("g", {
    role: "option", tabindex: tabStop ? 0 : -1, "aria-selected": String(chosen), "data-arch": p.id,
    "aria-label": spoken(view.result, p.row),
  }, shape("circle", { class: "halo", cx: p.px, cy: p.py, r: 12 }),
  mark(0, p.px, p.py, dense && !chosen ? 2.5 : 5.5, { class: names }));
}

// Only the objectives make a front; over other figures the points are just points.
function isFront(result, qx, qy) {
  const names = result.objectives.map((o) => o.name);
  return names.includes(qx.name) && names.includes(qy.name) && qx !== qy;
}

// The best so far from the good end of the x axis on.
function stairs(placed, qx, qy) {
  const order = qx.more_is_better ? [...placed].reverse() : placed;
  let best = null;
  return order.map((p) => {
    best = best === null ? p.py : qy.more_is_better ? Math.min(best, p.py) : Math.max(best, p.py);
    return [p.px, best];
  });
}

// Shows the front at a useful scale, however bad some evaluated archs are, and no axis closer than its errors.
function spans(best, points, whole) {
  const [x, y] = [bars(best, "x", "dx"), bars(best, "y", "dy")];
  if (whole) return { xSpan: span([...points.map((p) => p.x), ...x]), ySpan: span([...points.map((p) => p.y), ...y]) };
  const [low, high] = ends(y), room = Math.max(high - low, 0.01 * Math.abs(high)) / 2;
  const near = points.map((p) => p.y).filter((v) => v >= low - room && v <= high + room);
  const [left, right] = ends(x), wide = Math.max(right - left, 0.1 * Math.abs(right));
  const across = points.map((p) => p.x).filter((v) => v >= left - wide && v <= right + wide);
  return { xSpan: span([...across, ...x]), ySpan: span([...near, ...y], 0.07) };
}

// The ends of the error bars, and so far around their middle that it is six errors of a point.
function bars(best, at, error) {
  const errors = best.map((p) => p[error]).sort((a, b) => a - b);
  const [low, high] = ends(best.flatMap((p) => [p[at] - p[error], p[at] + p[error]]));
  const more = Math.max(0, 6 * errors[errors.length >> 1] - (high - low)) / 2;
  return [low - more, high + more];
}

function ends(values) {
  return values.reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [Infinity, -Infinity]);
}

function drawLimit(drawn, result, qx) {
  const limit = (result.config.limits ?? {})[qx.name];
  if (limit === undefined) return;
  const at = drawn.x(limit * qx.factor);
  if (at < drawn.box.left || at > drawn.box.right) return;
  drawn.svg.append(
    shape("line", { class: "even", x1: at, x2: at, y1: drawn.box.top, y2: drawn.box.bottom }),
    shape("text", { class: "tick", transform: `translate(${at - 5} ${drawn.box.bottom - 6}) rotate(-90)` },
      `limit ${figureText(qx, limit)}`),
  );
}

// The lines of a tip: what the arch is, its objectives with where they come from, its genes.
function describe(result, row) {
  const size = groupSize(result, row[0]);
  const lines = [element("strong", {}, [row[0], ...pickNames(result, row[0])].join(" - "))];
  if (size > 1) lines.push(element("div", {}, `one of ${size} that cannot be told apart`));
  result.quantities.forEach((quantity, i) => {
    if (row[2][i] === null || i >= Math.max(4, result.objectives.length)) return;
    const from = (result.provenance[row[0]] ?? [])[i];
    lines.push(element("div", {}, `${quantity.title}: ${figureText(quantity, row[2][i], row[3][i])}${from ? `, ${from}` : ""}`));
  });
  lines.push(element("div", { class: "note" }, geneText(row[1])));
  return lines;
}

function spoken(result, row) {
  const figures = result.objectives.map((o) => {
    const i = result.quantities.findIndex((q) => q.name === o.name);
    return `${result.quantities[i].title} ${figureText(result.quantities[i], row[2][i])}`;
  });
  const picks = pickNames(result, row[0]).map((name) => `, the ${name}`).join("");
  return `arch ${row[0]}${picks}: ${figures.join(", ")}`;
}

function geneText(genes) {
  return Object.entries(genes).map(([name, value]) => `${name} ${Array.isArray(value) ? value.join("-") : value}`).join(", ");
}
