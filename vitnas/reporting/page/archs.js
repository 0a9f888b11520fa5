// The table of archs: sorted by any column, filtered by words and comparisons.

const PAGE = 100;
const GENE_COLUMNS = 100;
const COMPARISONS = {
  "<=": (a, b) => a <= b, ">=": (a, b) => a >= b, "!=": (a, b) => a !== b,
  "<": (a, b) => a < b, ">": (a, b) => a > b, "=": (a, b) => a === b,
};

// "latency<0.3 width=64 9fd" as a test of rows: all words must hold.
function makeFilter(text, result) {
  const tests = text.trim().split(/\s+/).filter(Boolean).map((word) => makeTest(word.toLowerCase(), result));
  return (row) => tests.every((test) => test(row));
}

function makeTest(word, result) {
  const found = /^([a-z_@\d[\]]+?)(<=|>=|!=|<|>|=)(.+)$/.exec(word);
  const gene = found ? geneNamed(found[1], result) : null;
  const at = found && !gene ? quantityNamed(found[1], result) : -1;
  const compare = found ? COMPARISONS[found[2]] : null;
  if (at >= 0) {
    const { factor, decimals } = result.quantities[at], wanted = Number(found[3]);
    const shown = (value) => (decimals === null ? Number(round(value * factor)) : Number((value * factor).toFixed(decimals)));
    return (row) => row[2][at] !== null && compare(shown(row[2][at]), wanted);
  }
  if (gene) {
    const number = Number(found[3]), wanted = Number.isNaN(number) ? found[3] : number;
    const same = (value) => compare(typeof wanted === "number" ? value : String(value).toLowerCase(), wanted);
    return (row) => [row[1][gene.name] ?? []].flat().some((value, i) => (gene.index === null || gene.index === i) && same(value));
  }
  return (row) => row[0].includes(word) || geneText(row[1]).toLowerCase().includes(word);
}

// "latency" is latency_ms, "params" is num_params.
function quantityNamed(text, result) {
  const names = result.quantities.map((q) => q.name.toLowerCase());
  const at = names.findIndex((name) => name.startsWith(text));
  return at >= 0 ? at : names.findIndex((name) => name.includes(text));
}

function geneNamed(text, result) {
  const [, name, index] = /^([^[]+)(?:\[(\d+)\])?$/.exec(text) ?? [];
  const known = result.rows.length ? Object.keys(result.rows[0][1]).find((each) => each.toLowerCase() === name) : undefined;
  return known ? { name: known, index: index === undefined ? null : Number(index) } : null;
}

// order: {column, down}; column is "arch", "genes" or the number of a quantity.
function sorted(rows, order) {
  const key = (row) => (order.column === "arch" ? row[0] : order.column === "genes" ? geneText(row[1]) : row[2][order.column]);
  const sign = order.down ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [left, right] = [key(a), key(b)];
    if (left === null || right === null) return (left === null) - (right === null); // what is missing comes last
    return sign * (left < right ? -1 : left > right ? 1 : 0) || (a[0] < b[0] ? -1 : 1);
  });
}

// view: {result, order, filter, frontOnly, shown, chosen}
function drawTable(view, choose, sortBy) {
  const { result } = view, onFront = new Set(result.front);
  const matching = result.rows.filter(makeFilter(view.filter, result)).filter((row) => !view.frontOnly || onFront.has(row[0]));
  const rows = sorted(matching, view.order).slice(0, view.shown);
  const columns = [["arch", "Arch"], ...result.quantities.map((q, i) => [i, axisTitle(q)]), ["genes", "Genes"]];
  const head = element("tr", {}, ...columns.map(([column, title]) => element("th", {
    scope: "col", class: typeof column === "number" ? "number" : null,
    "aria-sort": view.order.column === column ? (view.order.down ? "descending" : "ascending") : "none",
  }, element("button", { type: "button", "data-column": column, onclick: () => sortBy(column) }, title))));
  const body = element("tbody", {}, ...rows.map((row) => {
    const words = [onFront.has(row[0]) && !view.frontOnly ? "front" : null, ...pickNames(result, row[0])];
    const name = [row[0], ...words.filter(Boolean)].join(" ");
    return element("tr", { "data-arch": row[0], class: row[0] === view.chosen ? "chosen" : null, onclick: () => choose(row[0]) },
      element("th", { scope: "row" }, element("button", { type: "button", class: "mono", "aria-pressed": String(row[0] === view.chosen) }, name)),
      ...result.quantities.map((q, i) => element("td", { class: "number" }, cell(q, row[2][i], row[3][i]))),
      element("td", { class: "long" }, element("div", {}, geneText(row[1]))));
  }));
  byId("arch-table").replaceChildren(element("thead", {}, head), body);
  byId("count").textContent = `${rows.length} of ${matching.length} archs${matching.length < result.rows.length ? `, ${result.rows.length} in all` : ""}`;
  const rest = matching.length - rows.length, more = byId("more");
  more.hidden = rest === 0;
  more.textContent = `Show ${Math.min(rest, PAGE)} more`;
}

// The unit stands in the head of the column.
function cell(quantity, value, error) {
  return figureText({ ...quantity, unit: "" }, value, error);
}

// Genes by row, archs of the front by column; of a long front some at even steps, the knee and the chosen one.
function drawGenes(table, note, result, chosen, choose) {
  const byName = new Map(result.rows.map((row) => [row[0], row])), last = result.front.length - 1;
  const steps = new Set(Array.from({ length: GENE_COLUMNS }, (_, i) => Math.round((i * last) / (GENE_COLUMNS - 1))));
  const rows = result.front.filter((id, i) => last < GENE_COLUMNS || steps.has(i) || pickNames(result, id).length || id === chosen)
    .map((id) => byName.get(id));
  note.textContent = rows.length <= last ? `${rows.length} of the ${last + 1} archs of the front stand here, at even steps.` : "";
  const flat = rows.map((row) => Object.fromEntries(Object.entries(row[1]).flatMap(([name, value]) =>
    Array.isArray(value) ? value.map((one, i) => [`${name}[${i}]`, one]) : [[name, value]])));
  const names = geneOrder(rows);
  const head = element("tr", {}, element("td"), ...rows.map((row) => element("th", {
    scope: "col", class: row[0] === chosen ? "chosen" : null,
  }, element("button", { type: "button", onclick: () => choose(row[0]) }, [row[0], ...pickNames(result, row[0])].join(" ")))));
  table.replaceChildren(element("thead", {}, head), element("tbody", {}, ...names.map((name) => {
    const choices = [...new Set(flat.map((one) => one[name]).filter((v) => v !== undefined))]
      .sort((a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a) < String(b) ? -1 : 1));
    return element("tr", {}, element("th", { scope: "row" }, name), ...flat.map((one, i) => {
      const value = one[name], rank = choices.length > 1 ? choices.indexOf(value) / (choices.length - 1) : 0;
      const shade = value === undefined ? null : `background: rgba(var(--gene), ${0.06 + 0.39 * rank})`;
      return element("td", { class: value === undefined ? "off" : null, style: shade, onclick: () => choose(rows[i][0]) },
        value === undefined ? "·" : String(value));
    }));
  })));
}

// Genes in the order of the space, each block after the one before.
function geneOrder(rows) {
  const lengths = new Map();
  for (const [, genes] of rows) {
    for (const [name, value] of Object.entries(genes)) {
      lengths.set(name, Array.isArray(value) ? Math.max(lengths.get(name) ?? 0, value.length) : null);
    }
  }
  return [...lengths].flatMap(([name, n]) => (n === null ? [name] : Array.from({ length: n }, (_, i) => `${name}[${i}]`)));
}
