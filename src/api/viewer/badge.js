// How a job stands, as a small coloured word.

import { el, say } from "./dom.js";
import { words } from "./format.js";

/** The word for a job: a mirror that runs says its phase. */
export function standing(job) {
  return job.type === "mirror" && job.status === "running" && job.phase ? words(job.phase) : words(job.status);
}

/** What colour that is. */
function tone(job) {
  if (job.health === "failed" && job.status !== "cancelled") return "failed";
  if (job.status === "running" && job.phase === "streaming") return "succeeded";
  return job.status;
}

export function badge() {
  const element = el("span", { class: "badge" });
  const set = (job) => {
    element.dataset.tone = tone(job);
    say(element, standing(job));
  };
  return { element, set };
}

/** Whether nothing more comes. */
export const isOver = (job) => ["succeeded", "failed", "cancelled"].includes(job.status);

/** From where to where. */
export function way(job) {
  if (!job.source && !job.destination) return job.mirror ? `mirror ${job.mirror}` : "";
  return `${job.source ?? "–"} → ${job.destination ?? "–"}`;
}
