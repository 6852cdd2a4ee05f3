// The page of a report: its rows, each with the curves of both sides.

const state = { words: [], verdicts: new Set(), sort: "", down: false };
const table = byId("rows");

// scale is how large a change the interval bars show, the same in all rows.
const scale = Math.min(1, Math.max(0.05, ...data.rows.filter((r) => r.verdict !== "undecided").map((r) => Math.abs(r.change || 0)))) * 1.2;

const rows = data.rows.map((row, i) => ({ row, i, text: searchText(row), body: makeRow(row, i) }));

// makeRow makes what is always shown of a row. What it opens is made when it is
// opened.
function makeRow(row, i) {
  const write = formatter(unitOf(row), [row.base.center, row.base.low, row.base.high, row.new.center, row.new.low, row.new.high]);
  const button = el("button", { type: "button", class: "open", "aria-expanded": "false" }, ...breakable(row.name));
  const name = el("th", { scope: "row", class: "name" }, button);
  if (row.statistic) {
    name.append(el("span", { class: "statistic" }, row.statistic));
  }
  if (row.labels) {
    name.append(el("div", { class: "row-labels code" }, labelsText(row.labels)));
  }
  if (row.better) {
    name.append(el("div", { class: "aside" }, `${row.better} is better`));
  }
  const line = el("tr", { class: "row" }, name,
    el("td", { class: "number", "data-head": "base" }, ...center(row.base, write)),
    el("td", { class: "number", "data-head": "new" }, ...center(row.new, write)),
    el("td", { class: "number change", "data-head": "change" }, ...change(row)),
    el("td", { class: "number p", "data-head": "p" }, el("span", {}, probability(row.adjustedP ?? row.p)), ...(row.basis === "runs" || row.p == null ? [] : [el("small", {}, row.basis)])),
    el("td", { class: "verdict" }, pill(row.verdict), ...(row.why ? [el("small", {}, row.why)] : [])), chartCell(row));
  const body = el("tbody", { id: `row-${i}`, class: `is-${row.verdict}` }, line);
  button.addEventListener("click", () => toggle(body, row, button));
  return body;
}

function center(summary, write) {
  const bounds = summary.low == null && summary.high == null ? [] : [el("small", {}, `${bare(write(summary.low))} … ${bare(write(summary.high))}`)];
  return [el("span", {}, write(summary.center)), ...bounds];
}

// bare is a number without the unit that stands above it.
function bare(text) {
  return text.split(NBSP)[0].replace(/\/s$/, "");
}

function change(row) {
  const parts = [el("span", { class: "moved" }, percent(row.change))];
  if (row.change == null) {
    return parts;
  }
  const place = (v) => `${50 + 50 * Math.min(1, Math.max(-1, v / scale))}%`;
  const bar = el("span", { class: "bar", "aria-hidden": "true" });
  if (row.changeLow != null && row.changeHigh != null) {
    parts.push(el("small", {}, `${percent(row.changeLow).replace(`${NBSP}%`, "")} … ${percent(row.changeHigh)}`));
    const range = el("i", { class: "range" });
    range.style.left = place(row.changeLow);
    range.style.right = `${100 - parseFloat(place(row.changeHigh))}%`;
    bar.append(range);
  }
  const middle = el("i", { class: "middle" });
  middle.style.left = place(row.change);
  bar.append(middle);
  return [...parts, bar];
}

function chartCell(row) {
  if (!row.curves) {
    return el("td", { class: "chart none" }, "no chart");
  }
  const legend = makeLegend();
  const holder = el("div", { class: "plot", role: "img", "aria-label": `${row.title} over time, ${data.base.length} of base and ${data.new.length} of new` });
  addChart(holder, () => drawOverlay(holder, row, legend));
  return el("td", { class: "chart" }, legend.line, holder);
}

// makeLegend makes the line above a chart that names the sides and has their
// values while there is a cursor.
function makeLegend() {
  const base = el("span", { class: "value" });
  const fresh = el("span", { class: "value" });
  const time = el("span", { class: "time" });
  const line = el("div", { class: "legend", "aria-hidden": "true" },
    el("span", {}, el("span", { class: "key base" }), " base ", base),
    el("span", {}, el("span", { class: "key new" }), " new ", fresh), time);
  return { line, base, new: fresh, time };
}

// toggle opens or closes a row.
function toggle(body, row, button) {
  const opened = button.getAttribute("aria-expanded") === "true";
  if (body.children.length === 1) {
    body.append(el("tr", { class: "detail" }, el("td", { colspan: "7" }, detail(row))));
  }
  button.setAttribute("aria-expanded", String(!opened));
  body.lastElementChild.hidden = opened;
}

function detail(row) {
  const parts = el("div", { class: "parts" });
  if (row.curves) {
    const legend = makeLegend();
    const holder = el("div", { class: "plot large", role: "img", "aria-label": `${row.title} over time; the arrow keys read out its values` });
    walkWithKeys(holder);
    addChart(holder, () => drawOverlay(holder, row, legend));
    parts.append(el("div", { class: "chart" }, legend.line, holder));
  }
  const write = formatter(unitOf(row), [row.base.center, row.new.center]);
  const side = (name, s) => el("tr", {}, el("th", { scope: "row" }, el("span", { class: `key ${name}` }), ` ${name}`),
    ...[String(s.n), write(s.center), write(s.low), write(s.high)].map((text) => el("td", { class: "number" }, text)));
  const head = ["", "n", "median", "from", "to"].map((text, i) => el("th", { scope: "col", class: i ? "number" : "" }, text));
  const facts = [
    ["change", `${percent(row.change)}, between ${percent(row.changeLow)} and ${percent(row.changeHigh)}`],
    ["p", `${probability(row.p)}, adjusted for the number of rows ${probability(row.adjustedP)}`],
    ["values", row.basis === "runs" ? "one of each run" : `${row.basis}: how far runs of one build differ is not known`],
    ["test", row.method], ["better", row.better], ["undecided", row.why],
  ].filter(([, text]) => text).map(([term, text]) => el("div", {}, el("dt", {}, term), el("dd", {}, text)));
  parts.append(queryBlock(row), el("div", { class: "facts" },
    el("table", { class: "plain" }, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, side("base", row.base), side("new", row.new))),
    el("dl", {}, ...facts)));
  return parts;
}

// sidesOf parts the curves of a row, which are in the order of the runs: those of
// the base, then the new ones.
function sidesOf(row) {
  const runs = [...data.base, ...data.new];
  const sides = { base: [], new: [] };
  let at = 0;
  for (const curve of row.curves) {
    while (at < runs.length && runs[at].run !== curve.run) {
      at++;
    }
    sides[at < data.base.length ? "base" : "new"].push(curve);
    at++;
  }
  return sides;
}

// middleOf is the median of the curves at each time.
function middleOf(curves, length) {
  return Array.from({ length }, (_, i) => {
    const at = curves.map((c) => c.values[i]).filter((v) => v != null).sort((a, b) => a - b);
    return at.length ? (at[(at.length - 1) >> 1] + at[at.length >> 1]) / 2 : null;
  });
}

// drawOverlay draws the runs of both sides over each other, from t=0: those of a
// side thin, where there are several, and their median over them.
function drawOverlay(holder, row, legend) {
  const sides = sidesOf(row);
  const { from, step } = data.window;
  const length = Math.max(1, ...row.curves.map((c) => c.values.length));
  const times = Array.from({ length }, (_, i) => from + i * step);
  const names = ["base", "new"];
  const middles = Object.fromEntries(names.map((name) => [name, middleOf(sides[name], length)]));
  const series = [];
  const columns = [times];
  for (const name of names.filter((n) => sides[n].length > 1)) {
    for (const curve of sides[name]) {
      series.push({ stroke: ink(name), width: 1, alpha: Math.max(0.16, Math.min(0.45, 3 / sides[name].length)), points: { show: length === 1 } });
      columns.push(curve.values);
    }
  }
  for (const name of names) {
    series.push({ stroke: ink(name), width: 2, points: { show: length === 1 } });
    columns.push(middles[name]);
  }
  const write = formatter(unitOf(row), columns.slice(1).flat());
  const last = times[length - 1];
  return plot(holder, {
    columns, series, unit: unitOf(row), sync: "time",
    x: { range: (u, low, high) => (low === high ? [low - step, high + step] : [low ?? from, high ?? last]), axis: { incrs: CLOCK_STEPS, space: 56, values: (_, marks) => marks.map((m) => clock(m, m % 1 ? 0.1 : 1)) } },
    follow: (u, idx) => follow(u, idx, { sides, middles, write, legend }),
  });
}

// follow shows what the cursor is on: beside it, and in the legends of the other
// charts, whose cursors follow.
function follow(u, idx, { sides, middles, write, legend }) {
  const at = (name) => (idx == null ? null : middles[name][idx]);
  for (const name of ["base", "new"]) {
    legend[name].textContent = idx == null ? "" : write(at(name));
  }
  const time = idx == null ? "" : clock(u.data[0][idx], data.window.step);
  legend.time.textContent = time;
  setDots(u, idx, [["base", at("base")], ["new", at("new")]]);
  if (!isUnder(u)) {
    return;
  }
  if (idx == null) {
    hideTip();
    return;
  }
  const lines = [];
  for (const name of ["base", "new"]) {
    const there = sides[name].map((c) => c.values[idx]).filter((v) => v != null);
    lines.push([name, name, write(at(name))]);
    if (there.length > 1) {
      lines.push(["", `${there.length} runs`, `${bare(write(Math.min(...there)))} … ${bare(write(Math.max(...there)))}`]);
    }
  }
  if (at("base") && at("new") != null) {
    lines.push(["", "change", percent(at("new") / at("base") - 1)]);
  }
  const near = nearest(u, idx, sides);
  if (near && sides.base.length + sides.new.length > 2) {
    lines.push([near.name, near.curve.run, write(near.curve.values[idx])]);
  }
  showTip(u, `${time} after the start`, lines);
}

// nearest is the run whose value is next to the cursor.
function nearest(u, idx, sides) {
  let found;
  for (const name of ["base", "new"]) {
    for (const curve of sides[name]) {
      const far = curve.values[idx] == null ? Infinity : Math.abs(u.valToPos(curve.values[idx], "y") - u.cursor.top);
      if (!found ? far < Infinity : far < found.far) {
        found = { name, curve, far };
      }
    }
  }
  return found;
}

// show shows the rows that the search and the filters let through.
function show() {
  let shown = 0;
  for (const { row, text, body } of rows) {
    const fits = (state.verdicts.size === 0 || state.verdicts.has(row.verdict)) && state.words.every((w) => text.includes(w));
    body.hidden = !fits;
    shown += fits;
  }
  byId("shown").textContent = shown === rows.length ? `${shown} rows` : `${shown} of ${rows.length} rows`;
  byId("nothing").hidden = shown > 0;
  hideTip();
}

// What each order goes by. Rows without it come last.
const orders = {
  "": ({ i }) => i,
  name: ({ row }) => row.title,
  change: ({ row }) => row.change,
  p: ({ row }) => row.adjustedP ?? row.p,
  verdict: ({ row }) => severity.indexOf(row.verdict),
};

// sortBy goes from one direction to the other and back to the report's own order.
// A change is first sorted from the largest.
function sortBy(key) {
  const first = key === "change";
  if (state.sort !== key) {
    state.sort = key;
    state.down = first;
  } else if (state.down === first) {
    state.down = !first;
  } else {
    state.sort = "";
    state.down = false;
  }
  const of = orders[state.sort];
  const way = state.down ? -1 : 1;
  const compare = (a, b) => {
    const [x, y] = [of(a), of(b)];
    if (x == null || y == null) {
      return (x == null) - (y == null) || a.i - b.i;
    }
    return (x < y ? -way : x > y ? way : 0) || a.i - b.i;
  };
  table.append(...[...rows].sort(compare).map(({ body }) => body));
  for (const button of table.querySelectorAll(".sort")) {
    const head = button.closest("th");
    if (button.dataset.sort === state.sort) {
      head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
    } else {
      head.removeAttribute("aria-sort");
    }
  }
}

// walkRows moves the focus among the names of the rows that are shown.
function walkRows(event) {
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!by || !event.target.matches(".open, #search")) {
    return;
  }
  const names = rows.length ? [...table.querySelectorAll("tbody:not([hidden]) .open")] : [];
  const next = names[names.indexOf(event.target) + by];
  if (next) {
    event.preventDefault();
    next.focus();
  }
}

function setUp() {
  table.append(...rows.map(({ body }) => body));
  byId("scale").textContent = `±${(100 * scale).toFixed(0)}${NBSP}%`;
  setUpSearch((words) => {
    state.words = words;
    show();
  });
  for (const button of document.querySelectorAll(".filter")) {
    button.addEventListener("click", () => {
      const { verdict: of } = button.dataset;
      if (!state.verdicts.delete(of)) {
        state.verdicts.add(of);
      }
      button.setAttribute("aria-pressed", String(state.verdicts.has(of)));
      show();
    });
  }
  for (const button of table.querySelectorAll(".sort")) {
    button.addEventListener("click", () => sortBy(button.dataset.sort));
  }
  addEventListener("keydown", walkRows);
  setUpTheme();
  setUpPrint();
  show();
}

setUp();
