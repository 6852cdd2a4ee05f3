// The page of a history: its lines from run to run, with their change points.

const state = { words: [], changed: false, byTime: false };

const lines = data.lines.map((line, i) => ({ line, text: searchText(line), article: makeArticle(line, i) }));

function makeArticle(line, i) {
  const head = el("h2", {}, el("span", {}, ...breakable(line.name)));
  if (line.statistic) {
    head.append(el("span", { class: "statistic" }, line.statistic));
  }
  if (line.labels) {
    head.append(el("span", { class: "row-labels code" }, labelsText(line.labels)));
  }
  if (line.better) {
    head.append(el("span", { class: "aside" }, `${line.better} is better`));
  }
  const holder = el("div", { class: "plot", role: "img", "aria-label": `${line.title} over ${data.runs.length} runs; the arrow keys read out its values` });
  walkWithKeys(holder);
  addChart(holder, () => drawLine(holder, line));
  const article = el("article", { id: `line-${i}` }, head);
  if (line.why) {
    article.append(el("p", { class: "aside" }, line.why));
  }
  article.append(holder, el("details", {}, el("summary", {}, "Query"), queryBlock(line)));
  return article;
}

function changePoints(line) {
  return line.changePoints || [];
}

// listPoints lists the change points of all lines, the latest first.
function listPoints() {
  const all = data.lines.flatMap((line, i) => changePoints(line).map((point) => ({ line, i, point })));
  all.sort((a, b) => b.point.index - a.point.index || a.i - b.i);
  for (const { line, i, point } of all) {
    const write = formatter(unitOf(line), [point.before.center, point.after.center]);
    byId("points").tBodies[0].append(el("tr", {},
      el("th", { scope: "row" }, el("span", { class: "code" }, point.run), el("small", {}, `${place(point.index)}, ${when(data.runs[point.index].zero)}`)),
      el("td", {}, el("a", { href: `#line-${i}` }, ...breakable(line.title))),
      el("td", { class: "number" }, write(point.before.center), el("small", {}, `${point.before.n} runs`)),
      el("td", { class: "number" }, write(point.after.center), el("small", {}, `${point.after.n} runs`)),
      el("td", { class: `number is-${point.verdict}` }, el("b", {}, percent(point.change))),
      el("td", { class: "number" }, probability(point.p)),
      el("td", {}, pill(point.verdict))));
  }
}

// place counts runs from one.
function place(index) {
  return `run ${index + 1} of ${data.runs.length}`;
}

// positions are where the runs stand on the x axis.
function positions() {
  return data.runs.map((run, i) => (state.byTime ? Date.parse(run.zero) / 1000 : i + 1));
}

function drawLine(holder, line) {
  const x = positions();
  const unit = unitOf(line);
  const write = formatter(unit, line.values);
  const edge = state.byTime ? Math.max(3600, (x[x.length - 1] - x[0]) * 0.02) : 0.6;
  const axis = state.byTime
    ? { space: 90, values: (_, marks) => marks.map((m) => when(m * 1000).slice(0, m % 86400 ? 16 : 10)), incrs: [3600, 21600, 86400, 172800, 604800, 1209600, 2592000, 7776000, 31536000] }
    : { space: 48, values: (_, marks) => marks.map((m) => `#${m}`), incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] };
  const zoomed = (low, high) => low !== x[0] || high !== x[x.length - 1];
  return plot(holder, {
    columns: [x, line.values], unit, sync: "run",
    series: [{ stroke: ink("base"), width: 1.25, spanGaps: true, points: { show: true, size: 5, fill: ink("base") } }],
    x: { range: (u, low, high) => (low == null || !zoomed(low, high) ? [x[0] - edge, x[x.length - 1] + edge] : [low, high]), axis },
    hooks: { drawAxes: [(u) => drawLevels(u, line, x)] },
    follow: (u, idx) => follow(u, idx, line, write),
  });
}

// drawLevels draws, behind a line, a vertical line at each change point and the
// level before and after it, with how sure that is.
function drawLevels(u, line, x) {
  const points = changePoints(line);
  const { ctx, bbox } = u;
  const dots = devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  const between = (i) => (i === 0 ? u.scales.x.min : i === x.length ? u.scales.x.max : (x[i - 1] + x[i]) / 2);
  const across = (v) => u.valToPos(v, "x", true);
  const up = (v) => u.valToPos(v, "y", true);
  const level = (summary, from, to) => {
    if (summary.center == null) {
      return;
    }
    const left = across(between(from));
    const right = across(between(to));
    ctx.fillStyle = ctx.strokeStyle = ink("new");
    if (summary.low != null && summary.high != null) {
      ctx.globalAlpha = 0.14;
      ctx.fillRect(left, up(summary.high), right - left, up(summary.low) - up(summary.high));
      ctx.globalAlpha = 1;
    }
    ctx.lineWidth = 1.5 * dots;
    ctx.setLineDash([]);
    stroke(ctx, left, up(summary.center), right, up(summary.center));
  };
  points.forEach((point, i) => {
    if (i === 0) {
      level(point.before, 0, point.index);
    }
    level(point.after, point.index, i + 1 < points.length ? points[i + 1].index : x.length);
  });
  ctx.font = `${11 * dots}px system-ui, sans-serif`;
  ctx.textBaseline = "top";
  for (const point of points) {
    const at = across(between(point.index));
    ctx.strokeStyle = ctx.fillStyle = ink(point.verdict);
    ctx.lineWidth = dots;
    ctx.setLineDash([4 * dots, 3 * dots]);
    stroke(ctx, at, bbox.top, at, bbox.top + bbox.height);
const text = `${signs[point.verdict]} ${percent(point.change)}`;
    const room = bbox.left + bbox.width - at - 5 * dots;
    ctx.textAlign = ctx.measureText(text).width > room ? "right" : "left";
    ctx.fillText(text, at + (ctx.textAlign === "left" ? 5 : -5) * dots, bbox.top + 2 * dots);
  }
  ctx.restore();
}

function stroke(ctx, x0, y0, x1, y1) {
  ctx.beginPath();
  ctx.moveTo(x0, y0);
  ctx.lineTo(x1, y1);
  ctx.stroke();
}

// follow shows which run the cursor is on.
function follow(u, idx, line, write) {
  setDots(u, idx, idx == null ? [] : [["base", line.values[idx]]]);
  if (!isUnder(u)) {
    return;
  }
  if (idx == null) {
    hideTip();
    return;
  }
  const run = data.runs[idx];
  const point = changePoints(line).find((p) => p.index === idx);
  showTip(u, run.run, [
    ["", line.statistic || "value", write(line.values[idx])],
    ...(point ? [["", point.verdict, percent(point.change)]] : []),
    ["", place(idx), when(run.zero)],
    ...(data.varying || []).map((name) => ["", name, (run.labels || {})[name] || NONE]),
  ]);
}

function show() {
  let shown = 0;
  for (const { line, text, article } of lines) {
    const fits = (!state.changed || changePoints(line).length > 0) && state.words.every((w) => text.includes(w));
    article.hidden = !fits;
    shown += fits;
  }
  byId("shown").textContent = shown === lines.length ? `${shown} lines` : `${shown} of ${lines.length} lines`;
  byId("nothing").hidden = shown > 0;
  hideTip();
}

// setUpSwitch makes a button that is pressed or not.
function setUpSwitch(id, key, then) {
  const button = byId(id);
  button.addEventListener("click", () => {
    state[key] = !state[key];
    button.setAttribute("aria-pressed", String(state[key]));
    then();
  });
}

function setUp() {
  byId("lines").append(...lines.map(({ article }) => article));
  listPoints();
  setUpSearch((words) => {
    state.words = words;
    show();
  });
  setUpSwitch("changed", "changed", show);
  setUpSwitch("by-time", "byTime", redrawCharts);
  setUpTheme();
  setUpPrint();
  show();
}

setUp();
