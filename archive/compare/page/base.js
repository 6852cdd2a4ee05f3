"use strict";

// What every page needs: its data, elements, colours, the theme, the search.

const data = JSON.parse(byId("data").textContent);

// The verdicts, those that matter most first, and what stands beside their names.
const severity = data.signs.map(({ verdict }) => verdict);
const signs = Object.fromEntries(data.signs.map(({ verdict, sign }) => [verdict, sign]));

function byId(id) {
  return document.getElementById(id);
}

// el makes an element. Children are elements or text, and text stays text.
function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// breakable is a name that may be broken after its underscores and colons.
function breakable(name) {
  return name.split(/(?<=[_:])/).flatMap((part, i) => (i ? [el("wbr"), part] : [part]));
}

// labelsText writes labels as PromQL does.
function labelsText(labels) {
  return Object.entries(labels || {}).map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(", ");
}

// ink is a colour of the style sheet as it is in the theme that is on. A canvas
// knows no custom properties.
const inks = {};
function ink(name) {
  if (!inks[name]) {
    inks[name] = el("span", { class: `ink-${name}` });
    byId("inks").append(inks[name]);
  }
  return getComputedStyle(inks[name]).color;
}

const dark = matchMedia("(prefers-color-scheme: dark)");

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : dark.matches;
}

// setUpTheme makes the button change the theme, and the charts follow it.
function setUpTheme() {
  const button = byId("theme");
  const show = () => {
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", `Change to the ${button.textContent.toLowerCase()} theme`);
    redrawCharts();
  };
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    show();
  });
  dark.addEventListener("change", show);
  button.hidden = false;
  show();
}

// setUpPrint has the charts drawn on white, those out of view too.
function setUpPrint() {
  let theme;
  addEventListener("beforeprint", () => {
    theme = document.documentElement.dataset.theme;
    document.documentElement.dataset.theme = "light";
    drawEveryChart();
  });
  addEventListener("afterprint", () => {
    if (theme) {
      document.documentElement.dataset.theme = theme;
    } else {
      delete document.documentElement.dataset.theme;
    }
    redrawCharts();
  });
}

// setUpSearch calls found with the words that are searched for, in lower case.
function setUpSearch(found) {
  const box = byId("search");
  const words = () => box.value.toLowerCase().split(/\s+/).filter(Boolean);
  box.addEventListener("input", () => found(words()));
  addEventListener("keydown", (event) => {
    if (event.key === "/" && event.target !== box && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      box.focus();
      box.select();
    }
    if (event.key === "Escape" && event.target === box) {
      box.value = "";
      found([]);
    }
  });
}

// pill shows a verdict.
function pill(verdict) {
  return el("span", { class: `pill is-${verdict}` }, el("span", { "aria-hidden": "true" }, signs[verdict]), ` ${verdict}`);
}

// searchText is what a search looks through of a subject.
function searchText(subject) {
  return `${subject.title} ${subject.query}`.toLowerCase();
}

// queryBlock shows a subject's PromQL, to be copied.
function queryBlock(subject) {
  const code = el("code", {}, subject.query);
  const button = el("button", { type: "button", class: "quiet copy" }, "Copy");
  button.addEventListener("click", async () => {
    getSelection().selectAllChildren(code); // where it may not be copied, it is at hand
    try {
      await navigator.clipboard.writeText(subject.query);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Selected";
    }
  });
  return el("div", { class: "query" }, el("pre", { tabindex: "0", "aria-label": "PromQL" }, code), button);
}
