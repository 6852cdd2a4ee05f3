// Numbers, units and times as text.

const NONE = "–";
const NBSP = "\u00a0";

// The steps of a kind of unit, the largest first: from which magnitude on it is
// used, what it is worth, its name.
const STEPS = {
  seconds: [[1, 1, "s"], [1e-3, 1e-3, "ms"], [1e-6, 1e-6, "µs"], [0, 1e-9, "ns"]],
  bytes: [[2 ** 40, 2 ** 40, "TiB"], [2 ** 30, 2 ** 30, "GiB"], [2 ** 20, 2 ** 20, "MiB"], [2 ** 10, 2 ** 10, "KiB"], [0, 1, "B"]],
  plain: [[1e12, 1e12, "T"], [1e9, 1e9, "G"], [1e6, 1e6, "M"], [1e4, 1e3, "k"], [0, 1, ""]],
};

// What units are called, what kind they are of, and what one is worth of it.
const UNITS = new Map([
  ["seconds", ["seconds", 1]], ["second", ["seconds", 1]], ["s", ["seconds", 1]],
  ["milliseconds", ["seconds", 1e-3]], ["ms", ["seconds", 1e-3]],
  ["microseconds", ["seconds", 1e-6]], ["us", ["seconds", 1e-6]], ["µs", ["seconds", 1e-6]],
  ["nanoseconds", ["seconds", 1e-9]], ["ns", ["seconds", 1e-9]],
  ["bytes", ["bytes", 1]], ["byte", ["bytes", 1]], ["b", ["bytes", 1]],
  ["kib", ["bytes", 2 ** 10]], ["mib", ["bytes", 2 ** 20]], ["gib", ["bytes", 2 ** 30]],
]);

// unitOf is what the numbers of a subject are: as was said, else as its name says
// by convention.
function unitOf(subject) {
  let text = (subject.unit || "").trim();
  if (!text) {
    text = (subject.name.replace(/_total$/, "").match(/_(seconds|bytes|ratio)$/) || [, ""])[1];
  }
  const rate = /\s*(\/\s*s|\/\s*second|per second)$/i;
  const per = rate.test(text) || subject.statistic === "rate" ? "/s" : "";
  text = text.replace(rate, "");
  const known = UNITS.get(text.toLowerCase());
  if (known) {
    return { steps: STEPS[known[0]], worth: known[1], after: per, binary: known[0] === "bytes" };
  }
  if (text === "" || /^ratio$/i.test(text)) {
    return { steps: STEPS.plain, worth: 1, after: per };
  }
  if (text === "%" || /^percent$/i.test(text)) {
    return { steps: [[0, 1, "%"]], worth: 1, after: per };
  }
  return { steps: STEPS.plain, worth: 1, after: ` ${text}${per}` };
}

// formatter gives the function that writes values of a unit, all in the same step
// of it and with as many decimals, so that they can be compared at a glance.
function formatter(unit, values) {
  const known = values.filter((v) => v != null);
  const largest = known.reduce((most, v) => Math.max(most, Math.abs(v * unit.worth)), 0);
  const [, worth, name] = unit.steps.find(([from]) => largest >= from);
  const scaled = (v) => (v * unit.worth) / worth;
  const suffix = (name + unit.after).trim();
  const space = name || unit.after.startsWith(" ") ? NBSP : "";
  const whole = known.every((v) => Number.isInteger(scaled(v)));
  const decimals = whole || largest === 0 ? 0 : Math.min(6, Math.max(0, 3 - Math.floor(Math.log10(scaled(largest / unit.worth)))));
  return (v) => (v == null ? NONE : digits(scaled(v), decimals) + (suffix ? space + suffix : ""));
}

// digits writes a number with so many decimals; one that would look like zero,
// with its own.
function digits(v, decimals) {
  let text = v.toFixed(decimals);
  if (v !== 0 && Number(text) === 0) {
    text = v.toPrecision(2);
  }
  if (Math.abs(v) >= 1e4) {
    text = text.replace(/\B(?=(\d{3})+(?!\d))/g, "\u2009");
  }
  return text.replace("-", "−");
}

// axisText writes the marks of an axis.
function axisText(unit, marks) {
  const largest = Math.max(...marks.map((v) => Math.abs(v * unit.worth)));
  const [, worth, name] = unit.steps.find(([from]) => largest >= from);
  const after = name + (unit.after === "/s" ? unit.after : "");
  return marks.map((v) => {
    const text = String(Number(((v * unit.worth) / worth).toPrecision(6))).replace("-", "−");
    return v === 0 || !after ? text : text + (name ? NBSP : "") + after;
  });
}

// percent writes a relative change.
function percent(change) {
  if (change == null) {
    return NONE;
  }
  const p = Math.abs(change * 100);
  const text = p.toFixed(p < 1 ? 2 : p < 100 ? 1 : 0);
  return (Number(text) === 0 ? "" : change > 0 ? "+" : "−") + text + NBSP + "%";
}

// probability writes a p value.
function probability(p) {
  return p == null ? NONE : p < 0.001 ? "<0.001" : p.toFixed(3);
}

// clock writes seconds since the start as m:ss or h:mm:ss, with as many decimals
// as steps of less than a second need.
function clock(seconds, step = 1) {
  const decimals = step % 1 === 0 ? 0 : Math.min(3, (String(step).split(".")[1] || "").length);
  const unit = 10 ** decimals;
  const ticks = Math.round(seconds * unit);
  const whole = Math.floor(ticks / unit);
  const two = (n) => String(n).padStart(2, "0");
  let text = `${Math.floor(whole / 60)}:${two(whole % 60)}`;
  if (whole >= 3600) {
    text = `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
  }
  return decimals ? `${text}.${String(ticks % unit).padStart(decimals, "0")}` : text;
}

// when writes a time as the header does.
function when(time) {
  return `${new Date(time).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
