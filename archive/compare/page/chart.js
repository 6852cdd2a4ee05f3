// Charts: drawn while they are near the view, let go when they are not, so that
// hundreds of them cost what is seen.

// What holds a chart, with the function that draws it and, while it is drawn, the
// uPlot.
const charts = new Map();

const nearView = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (entry.isIntersecting) {
      drawChart(entry.target);
    } else {
      dropChart(entry.target);
    }
  }
}, { rootMargin: "300px 0px" });

const resized = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const { plot } = charts.get(target);
    if (plot && target.clientWidth > 0 && (plot.width !== target.clientWidth || plot.height !== target.clientHeight)) {
      plot.setSize({ width: target.clientWidth, height: target.clientHeight });
    }
  }
});

// addChart has a chart drawn by the function whenever it is near the view.
function addChart(holder, draw) {
  charts.set(holder, { draw });
  nearView.observe(holder);
  resized.observe(holder);
}

function drawChart(holder) {
  const chart = charts.get(holder);
  if (!chart.plot && holder.clientWidth > 0) {
    chart.plot = chart.draw(holder);
  }
}

function dropChart(holder) {
  const chart = charts.get(holder);
  if (chart.plot) {
    chart.plot.destroy();
    chart.plot = null;
  }
}

// redrawCharts draws what is drawn anew, in the colours that are on now.
function redrawCharts() {
  for (const [holder, { plot }] of charts) {
    if (plot) {
      dropChart(holder);
      drawChart(holder);
    }
  }
}

function drawEveryChart() {
  for (const holder of charts.keys()) {
    dropChart(holder);
    drawChart(holder);
  }
}

// Steps of a time axis that is read as a clock.
const CLOCK_STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];

// Steps of an axis of bytes.
const BINARY_STEPS = Array.from({ length: 64 }, (_, i) => 2 ** (i - 4));

// plot draws a chart into the holder. follow is called with the chart and the
// place of the value under the cursor, or null once it has left.
function plot(holder, { columns, series, unit, x, y, follow, hooks = {}, sync }) {
  const font = "11px system-ui, sans-serif";
  const lines = { stroke: ink("grid"), width: 1 };
  const axis = { stroke: ink("muted"), font, grid: lines, ticks: { show: false } };
  const made = new uPlot({
    width: holder.clientWidth,
    height: holder.clientHeight,
    padding: [8, 12, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      points: { show: false },
      move: (u, left, top) => [left < 0 ? left : u.valToPos(u.data[0][u.posToIdx(left)], "x"), top],
      sync: { key: sync, scales: ["x", null], filters: { pub: (type) => type === "mousemove" || type === "mouseleave" } },
    },
    select: { show: true },
    scales: { x: { time: false, range: x.range }, y: { range: y && y.range ? y.range : yRange } },
    axes: [
      { ...axis, size: 22, gap: 4, grid: { show: false }, ...x.axis },
      {
        ...axis, gap: 6, space: holder.clientHeight < 150 ? 18 : 30, values: (_, marks) => axisText(unit, marks),
        size: (u, marks) => (marks ? Math.max(64, 12 + Math.max(...marks.map((m) => textWidth(u.ctx, font, m)))) : 64),
        ...(unit.binary && unit.worth === 1 ? { incrs: BINARY_STEPS } : {}),
      },
    ],
    series: [{}, ...series],
    hooks: { ...hooks, setCursor: [(u) => follow(u, u.cursor.left < 0 || u.cursor.idx == null ? null : u.cursor.idx)] },
  }, columns, holder);
  made.over.addEventListener("mouseleave", hideTip);
  return made;
}

function textWidth(ctx, font, text) {
  ctx.save();
  ctx.font = font;
  const { width } = ctx.measureText(text);
  ctx.restore();
  return width; // the transform of the canvas does not count
}

// yRange leaves some room, and begins at zero where that is near.
function yRange(u, low, high) {
  if (low == null) {
    return [0, 1];
  }
  if (low === high) {
    return low === 0 ? [0, 1] : low > 0 ? [0, high * 1.25] : [low * 1.25, 0];
  }
  const room = (high - low) * 0.1;
  const least = low >= 0 && low <= (high - low) * 0.75 ? 0 : low - room;
  return [least, high + room];
}

// isUnder reports whether the pointer, or where it is on no chart the focus, is on
// this one, and not on another one that takes its cursor along.
function isUnder(u) {
  return u.root.parentElement === (document.querySelector(".plot:hover") || document.activeElement);
}

// setDots puts dots on the values at a place: pairs of a class and a value.
function setDots(u, idx, values) {
  u.over.querySelectorAll(".dot").forEach((dot) => dot.remove());
  if (idx == null) {
    return;
  }
  for (const [name, value] of values) {
    if (value != null) {
      const dot = el("span", { class: `dot ${name}` });
      dot.style.left = `${u.valToPos(u.data[0][idx], "x")}px`;
      dot.style.top = `${u.valToPos(value, "y")}px`;
      u.over.append(dot);
    }
  }
}

// showTip shows a title and lines of [class, name, text] beside the cursor.
function showTip(u, title, lines) {
  const tip = byId("tip");
  tip.replaceChildren(el("strong", {}, title), el("dl", {}, ...lines.map(([name, term, text]) =>
    el("div", {}, el("dt", {}, ...(name ? [el("span", { class: `key ${name}` }), " "] : []), term), el("dd", {}, text)))));
  tip.hidden = false;
  const over = u.over.getBoundingClientRect();
  const x = over.left + u.cursor.left;
  const left = x + 16 + tip.offsetWidth > innerWidth ? x - 16 - tip.offsetWidth : x + 16;
  const top = Math.min(over.top + Math.max(0, u.cursor.top) + 12, innerHeight - tip.offsetHeight - 8);
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${Math.max(8, top)}px`;
}

function hideTip() {
  byId("tip").hidden = true;
}

// walkWithKeys lets the arrow keys move the cursor of a chart that has the focus.
function walkWithKeys(holder) {
  holder.tabIndex = 0;
  holder.addEventListener("keydown", (event) => {
    const { plot: u } = charts.get(holder);
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!u || !by) {
      return;
    }
    event.preventDefault();
    const at = u.cursor.idx == null || u.cursor.left < 0 ? (by > 0 ? -1 : u.data[0].length) : u.cursor.idx;
    const idx = Math.min(u.data[0].length - 1, Math.max(0, at + by));
    u.setCursor({ left: u.valToPos(u.data[0][idx], "x"), top: u.over.clientHeight / 2 });
  });
  holder.addEventListener("blur", hideTip);
}
