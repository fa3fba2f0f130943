// A bar: how much of something is done.

import { el } from "./dom.js";

/** A bar of this name, and what sets it to a percentage, or to nothing known. */
export function bar(name) {
  const fill = el("div", { class: "fill" });
  const element = el("div", { class: "bar", role: "progressbar", "aria-label": name, "aria-valuemin": 0, "aria-valuemax": 100 }, fill);
  const set = (percent) => {
    const known = percent !== null && percent !== undefined;
    fill.style.transform = `scaleX(${known ? Math.min(100, Math.max(0, percent)) / 100 : 0})`;
    if (known) element.setAttribute("aria-valuenow", Math.round(percent));
    else element.removeAttribute("aria-valuenow");
  };
  set(null);
  return { element, set };
}
