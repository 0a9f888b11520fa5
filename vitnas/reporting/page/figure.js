"use strict";
// Building blocks: elements, numbers as people read them, and figures with two axes.

const SVG = "http://www.w3.org/2000/svg";

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  return fill(made, attributes, children);
}

function shape(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  return fill(made, attributes, children);
}

// Text only ever becomes a text node: names from files cannot become markup.
function fill(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function byId(id) {
  return document.getElementById(id);
}

function round(value, digits = 4) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e7 || size < 1e-4) return value.toExponential(digits - 1);
  return String(Number(value.toPrecision(Math.max(digits, Math.ceil(Math.log10(size))))));
}

// A stored figure in the unit of its quantity: 0.951 is "95.1 %". An estimate bears the interval of 90 %.
function figureText(quantity, value, error) {
  if (value === null || value === undefined) return "-";
  const scaled = value * quantity.factor;
  const inUnits = (x, digits) => (quantity.decimals === null ? round(x, digits) : x.toFixed(quantity.decimals));
  const size = (error ?? 0) * quantity.factor, wide = quantity.factor_90;
  const spread = wide
    ? ` (90 %: ${inUnits(scaled / wide, 3)} to ${inUnits(scaled * wide, 3)})`
    : size ? ` ± ${inUnits(size, 2)}` : "";
  return `${inUnits(scaled)}${spread}${quantity.unit ? ` ${quantity.unit}` : ""}`;
}

function axisTitle(quantity) {
  return quantity.unit ? `${quantity.title} (${quantity.unit})` : quantity.title;
}

// About n round numbers that lie within low and high.
function ticks(low, high, n) {
  const rough = (high - low) / Math.max(1, n);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= rough * 0.999);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(i * step);
  return { values: found, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

// Room on both sides of some values, also when they are all the same.
function span(values, share = 0.05) {
  const low = Math.min(...values), high = Math.max(...values);
  const room = (high - low) * share || Math.abs(high) * 0.1 || 1;
  return [low - room, high + room];
}

// An empty figure: {svg, x, y, place, box}. x and y turn values into pixels. Without yTitle it has no upright axis.
function figure(holder, { xTitle, yTitle = null, xSpan, ySpan, label, height = 0.62, pixels = null, interactive = false }) {
  const width = Math.max(260, Math.floor(holder.clientWidth) || 600);
  const tall = pixels ?? Math.max(230, Math.min(430, Math.round(width * height)));
  const box = { left: yTitle === null ? 12 : 58, right: width - 10, top: 12, bottom: tall - 46 };
  const x = (value) => box.left + ((value - xSpan[0]) / (xSpan[1] - xSpan[0])) * (box.right - box.left);
  const y = (value) => box.bottom - ((value - ySpan[0]) / (ySpan[1] - ySpan[0])) * (box.bottom - box.top);
  const svg = shape("svg", {
    width, height: tall, viewBox: `0 0 ${width} ${tall}`, role: interactive ? "group" : "img", "aria-label": label,
  });
  const across = ticks(...xSpan, width / 110), up = ticks(...ySpan, tall / 65);
  for (const value of across.values) {
    svg.append(
      shape("line", { class: "grid", x1: x(value), x2: x(value), y1: box.top, y2: box.bottom }),
      shape("text", { class: "tick", x: x(value), y: box.bottom + 17, "text-anchor": "middle" }, value.toFixed(across.digits)),
    );
  }
  for (const value of yTitle === null ? [] : up.values) {
    svg.append(
      shape("line", { class: "grid", x1: box.left, x2: box.right, y1: y(value), y2: y(value) }),
      shape("text", { class: "tick", x: box.left - 7, y: y(value) + 4, "text-anchor": "end" }, value.toFixed(up.digits)),
    );
  }
  svg.append(
    shape("line", { class: "axis", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }),
    shape("text", { x: (box.left + box.right) / 2, y: tall - 8, "text-anchor": "middle" }, xTitle),
  );
  if (yTitle !== null) {
    svg.append(
      shape("line", { class: "axis", x1: box.left, x2: box.left, y1: box.top, y2: box.bottom }),
      shape("text", { transform: `translate(14 ${(box.top + box.bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, yTitle),
    );
  }
  const clip = `clip-${++figure.count}`;
  svg.append(shape("clipPath", { id: clip }, shape("rect", {
    x: box.left, y: box.top - 8, width: box.right - box.left + 8, height: box.bottom - box.top + 8,
  })));
  const place = shape("g", { "clip-path": `url(#${clip})` });
  svg.append(place);
  holder.replaceChildren(svg);
  return { svg, place, x, y, box };
}
figure.count = 0;

// A line or steps through [x, y] pairs that are in pixels.
function path(points, steps) {
  return points.map(([x, y], i) => (i === 0 ? `M${x},${y}` : steps ? `H${x}V${y}` : `L${x},${y}`)).join("");
}

// Marks that differ in shape as well as in colour.
function mark(series, x, y, r, attributes = {}) {
  const colour = `fill: var(--series-${series % 4})`;
  if (series % 4 === 1) return shape("rect", { x: x - r, y: y - r, width: 2 * r, height: 2 * r, style: colour, ...attributes });
  if (series % 4 === 0) return shape("circle", { cx: x, cy: y, r, style: colour, ...attributes });
  const corners = series % 4 === 2
    ? [[x, y - r * 1.2], [x + r * 1.1, y + r], [x - r * 1.1, y + r]]
    : [[x, y - r * 1.3], [x + r * 1.3, y], [x, y + r * 1.3], [x - r * 1.3, y]];
  return shape("polygon", { points: corners.join(" "), style: colour, ...attributes });
}

function legend(names) {
  return element("ul", { class: "legend" }, ...names.map((name, i) =>
    element("li", {}, shape("svg", { width: 14, height: 14, "aria-hidden": "true" }, mark(i, 7, 7, 4.5)), name)));
}

// Named curves {name: [[x, y], ...]} over one another.
function drawCurves(holder, curves, { xTitle, yTitle, label, steps = false, from = null }) {
  const names = Object.keys(curves), all = Object.values(curves).flat();
  const ySpan = span(all.map((p) => p[1]));
  if (from !== null) ySpan[0] = from;
  const { place, x, y } = figure(holder, { xTitle, yTitle, label, xSpan: span(all.map((p) => p[0]), 0.02), ySpan });
  names.forEach((name, i) => {
    const points = curves[name].map(([a, b]) => [x(a), y(b)]);
    place.append(shape("path", { d: path(points, steps), fill: "none", "stroke-width": 1.8, style: `stroke: var(--series-${i % 4})` }));
    if (points.length < 40) points.forEach(([a, b]) => place.append(mark(i, a, b, 3)));
  });
  if (names.length > 1) holder.append(legend(names));
}

// What was told against what was found: [id, found, told, std] with the diagonal, intervals and a band.
function drawAgreement(holder, rows, { xTitle, yTitle, label, factor = 1, deviations = 0, band = 0 }) {
  const values = rows.flatMap((row) => [row[1] * factor, row[2] * factor]);
  const ends = span(values);
  const { place, x, y } = figure(holder, { xTitle, yTitle, label, xSpan: ends, ySpan: ends, height: 0.85 });
  if (band) {
    const corners = [[ends[0], 1 - band], [ends[1], 1 - band], [ends[1], 1 + band], [ends[0], 1 + band]];
    place.append(shape("polygon", { class: "band", points: corners.map(([v, f]) => [x(v), y(v * f)]).join(" ") }));
  }
  place.append(shape("line", { class: "even", x1: x(ends[0]), y1: y(ends[0]), x2: x(ends[1]), y2: y(ends[1]) }));
  for (const [id, found, told, std] of rows) {
    if (found === null || told === null) continue;
    const [a, b] = [x(found * factor), y(told * factor)], half = (std ?? 0) * deviations * factor;
    if (half) {
      place.append(shape("line", {
        class: "error", x1: a, x2: a, y1: y(told * factor - half), y2: y(told * factor + half), style: "stroke: var(--series-0)",
      }));
    }
    place.append(mark(0, a, b, 3.5, { opacity: 0.8 }));
    place.lastChild.append(shape("title", {}, `${id}: ${round(found * factor)} found, ${round(told * factor)} told`));
  }
}
