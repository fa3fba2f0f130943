// The tables of a run: those that are being copied with a bar each, then those that are done.

import { bar } from "./bar.js";
import { arrange, el, say, show } from "./dom.js";
import { bytes, count, many, span } from "./format.js";

/** Shown before somebody asks for more. */
const FEW = 25;
/** A page with more rows than this is of no use to anybody. */
const MOST = 2000;

export function tablesPanel() {
  const tables = new Map();
  const list = el("ul", { class: "tables" });
  const summary = el("span", { class: "muted" });
  const more = el("button", { type: "button", class: "small" });
  const element = el("section", { class: "card", "aria-label": "Tables" },
    el("div", { class: "heading" }, el("h2", { text: "Tables" }), summary), list, more);
  let [all, due] = [false, null];
  more.addEventListener("click", () => {
    all = !all;
    draw();
  });

  const draw = () => {
    due = null;
    const known = [...tables.values()];
    const running = known.filter((table) => table.state === "running");
    const done = known.filter((table) => table.state !== "running").reverse();
    const shown = [...running, ...done].slice(0, all ? MOST : FEW);
    arrange(list, shown.map((table) => table.row.element));
    say(summary, known.length ? `${count(running.length)} running, ${count(done.length)} done` : "");
    show(element, known.length > 0);
    show(more, known.length > FEW);
    say(more, all ? "Show fewer" : `Show all ${many(known.length, "table")}`);
  };
  const soon = () => { due ??= requestAnimationFrame(draw); };
  const put = (state) => {
    const table = tables.get(state.table) ?? { row: made(state.table) };
    Object.assign(table, state);
    tables.set(state.table, table);
    table.row.set(table);
    soon();
  };
  return {
    element,
    names: () => [...tables.keys()],
    clear() {
      tables.clear();
      soon();
    },
    put,
    started: (table) => put({ table, state: "running", percent: 0, rows: null, bytes: null, ms: null }),
    finished: ({ table, rows, bytes: size, ms }) => put({ table, state: "done", percent: 100, rows, bytes: size, ms }),
    progress: (states) => states.filter(({ table }) => tables.get(table)?.state !== "done").forEach(({ table, percent }) => put({ table, state: "running", percent })),
  };
}

function made(name) {
  const line = bar(name);
  const right = el("span", { class: "number muted" });
  const element = el("li", {}, el("span", { class: "table-name", text: name }), right, line.element);
  const set = (table) => {
    element.dataset.state = table.state;
    line.set(table.percent);
    say(right, table.state === "running" ? `${table.percent.toFixed(0)} %` : `${many(table.rows, "row")} · ${bytes(table.bytes)} · ${span(table.ms / 1000)}`);
  };
  return { element, set };
}
