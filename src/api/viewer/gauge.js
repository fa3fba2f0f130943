// How far a run is: the percentage, what goes on, how long it may take, and what is done of what.

import { bar } from "./bar.js";
import { isOver } from "./badge.js";
import { el, say, show } from "./dom.js";
import { between, count, eta, percent, portion, words } from "./format.js";

export function gauge() {
  const line = bar("Progress");
  line.element.classList.add("large");
  const [number, phase, operation, left] = [el("strong", { class: "percent" }), el("span", { class: "phase" }), el("p", { class: "operation" }), el("span", { class: "left" })];
  const facts = new Map(["Copied", "Rows", "Tables", "Indexes", "Constraints", "Time"].map((name) => [name, el("dd", { class: "number" })]));
  const element = el("section", { class: "card gauge", "aria-label": "Progress" },
    el("div", { class: "numbers" }, number, el("div", { class: "beside" }, phase, left)),
    line.element, operation,
    el("dl", { class: "facts" }, ...[...facts].map(([name, value]) => el("div", {}, el("dt", { text: name }), value))));

  const set = (job) => {
    const progress = job.progress;
    // Of one that ended before it began to copy there is nothing to show.
    show(element, !isOver(job) || progress?.bytes_done > 0 || progress?.percent === 100);
    say(number, percent(progress) || "–");
    line.set(progress?.percent);
    element.dataset.status = job.status;
    say(phase, job.status === "running" ? words(job.phase ?? "starting") : words(job.status));
    say(left, isOver(job) ? "" : eta(progress?.eta_seconds));
    say(operation, job.waits ?? (isOver(job) ? "" : progress?.operation ?? (job.status === "queued" ? "It waits for its turn." : "")));
    show(operation, operation.textContent !== "");
    const of = (part) => (part ? `${count(part.done)} of ${count(part.total)}` : "–");
    say(facts.get("Copied"), progress ? portion(progress.bytes_done, progress.bytes_total) : "–");
    say(facts.get("Rows"), count(progress?.rows_done));
    say(facts.get("Tables"), of(progress?.tables));
    say(facts.get("Indexes"), of(progress?.indexes));
    say(facts.get("Constraints"), of(progress?.constraints));
    say(facts.get("Time"), between(job.started, job.ended));
  };
  return { element, set };
}
