// A small line over time, drawn as SVG: the newest value in words, the highest as a mark, nothing else.

import { el, say, svg } from "./dom.js";
import { moment } from "./format.js";

const [WIDTH, HEIGHT] = [600, 96];
/** Enough for a line; older points are thinned out. */
const POINTS = 600;

export class Chart {
  /** `write` turns a value into text; `span` is how many seconds are shown at most. */
  constructor(name, write, span = 600) {
    this.write = write;
    this.span = span * 1000;
    this.points = [];
    this.newest = el("strong", { class: "number", text: "–" });
    this.top = el("span", { class: "top-mark" });
    [this.from, this.until] = [el("span"), el("span")];
    this.line = svg("path", { class: "line" });
    this.area = svg("path", { class: "area" });
    this.drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" },
      svg("path", { class: "grid", d: `M0 0.5H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}M0 ${HEIGHT - 0.5}H${WIDTH}` }), this.area, this.line);
    this.name = name;
    this.element = el("figure", { class: "chart" },
      el("figcaption", {}, el("span", { text: name }), this.newest),
      el("div", { class: "plot" }, this.drawing, this.top),
      el("div", { class: "times", "aria-hidden": "true" }, this.from, this.until));
  }

  /** A value at a moment in milliseconds. */
  push(at, value) {
    const last = this.points.at(-1);
    if (value === null || value === undefined || (last && at <= last.at)) return;
    this.points.push({ at, value });
    if (this.points.length > POINTS) this.points = this.points.filter((_, place) => place % 2 || place > POINTS / 2);
    this.due ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.due = null;
    const end = this.points.at(-1)?.at ?? 0;
    const shown = this.points.filter((point) => point.at >= end - this.span);
    if (shown.length === 0) return;
    const begin = Math.min(shown[0].at, end - 1000);
    const highest = Math.max(...shown.map((point) => point.value));
    const top = nice(highest);
    const x = (at) => (((at - begin) / (end - begin)) * WIDTH).toFixed(1);
    const y = (value) => (HEIGHT - (value / top) * (HEIGHT - 3) - 1).toFixed(1);
    const path = shown.map((point, place) => `${place ? "L" : "M"}${x(point.at)} ${y(point.value)}`).join("");
    const steady = shown.length === 1 ? `M0 ${y(shown[0].value)}H${WIDTH}` : path;
    this.line.setAttribute("d", steady);
    this.area.setAttribute("d", `${steady}L${WIDTH} ${HEIGHT}L${shown.length === 1 ? 0 : x(shown[0].at)} ${HEIGHT}Z`);
    say(this.newest, this.write(shown.at(-1).value));
    say(this.top, this.write(top));
    say(this.from, moment(begin));
    say(this.until, moment(end));
    this.drawing.setAttribute("aria-label", `${this.name}: now ${this.write(shown.at(-1).value)}, at most ${this.write(highest)}`);
  }
}

/** The next round number. */
function nice(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value) ?? value;
}
