// All jobs, the newest first, as they are now.

import { get } from "./api.js";
import { badge, isOver, standing, way } from "./badge.js";
import { bar } from "./bar.js";
import { announce, arrange, el, say, show } from "./dom.js";
import { eta, moment, percent, title, words } from "./format.js";
import { problem } from "./problem.js";

export function listView({ live, may, who }) {
  const rows = new Map();
  const list = el("ul", { class: "jobs", "aria-label": "Jobs" });
  const nothing = el("div", { class: "card empty", hidden: true },
    el("h2", { text: "No jobs yet" }),
    el("p", { class: "muted", text: may("run") ? "A clone copies a database once; a mirror goes on following it." : "Nobody has asked for one." }));
  const older = el("button", { type: "button", text: "Older jobs", hidden: true });
  const wrong = el("div", { role: "alert" });
  const element = el("section", { class: "view" },
    el("div", { class: "heading" },
      el("h1", { text: "Jobs" }),
      may("run") && el("a", { class: "button primary", href: "#/start", text: "Start a job" })),
    !may("run") && el("p", { class: "note", text: `Your token has scope ${who.scope}: it looks, and starts nothing. "multiboard-sync token create --scope run" makes one that may.` }),
    wrong, list, nothing, older);
  let next = null;

  const order = () => {
    const sorted = [...rows.values()].sort((one, other) => (one.job.id < other.job.id ? 1 : -1));
    arrange(list, sorted.map((row) => row.element));
    show(nothing, rows.size === 0);
    show(list, rows.size > 0);
    show(older, next !== null);
  };
  const put = (job) => {
    const row = rows.get(job.id) ?? made();
    rows.set(job.id, row);
    row.set(job);
  };
  const read = (id) => get(`/v1/jobs/${id}`).then((job) => { put(job); order(); }, () => {});
  const page = async (cursor) => {
    const { jobs, next: after } = await get(`/v1/jobs?limit=50${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    jobs.forEach(put);
    next = after ?? null;
    order();
  };
  older.addEventListener("click", () => page(next).catch((error) => wrong.replaceChildren(problem(error))));

  const done = live.subscribe("jobs", {
    snapshot({ jobs }) {
      jobs.forEach(put);
      order();
      // Whether there are more is known by the pages alone.
      if (jobs.length >= 50) page().catch(() => {});
    },
    event({ data }) {
      const known = rows.get(data.job)?.job ?? { id: data.job, type: data.type, source: data.source, destination: data.destination };
      put({ ...known, status: data.status, error: data.error });
      order();
      announce(`${title(data.type)} ${way(known)}: ${words(data.status)}`);
      read(data.job);
    },
    progress({ jobs }) {
      for (const { id, phase, ...progress } of jobs) {
        const job = rows.get(id)?.job;
        if (!job || isOver(job)) continue;
        // A mirror's status follows its phase, and is no change of the job's: it is read again.
        if (job.type === "mirror" && phase && phase !== job.phase) read(id);
        put({ ...job, phase: phase ?? job.phase, progress: { estimate: true, ...job.progress, ...progress } });
      }
    },
  });
  return { title: "Jobs", element, end: done };
}

/** A row, and what sets it to a job. */
function made() {
  const mark = badge();
  const line = bar("done");
  const [name, path, what, right] = [el("a", { class: "name" }), el("span", { class: "way" }), el("span", { class: "what" }), el("span", { class: "right number" })];
  const element = el("li", { class: "job" },
    el("div", { class: "first" }, name, path, mark.element),
    el("div", { class: "second" }, what, right), line.element);
  const row = { element, job: null, set };
  function set(job) {
    row.job = job;
    element.dataset.id = job.id;
    name.href = `#/jobs/${job.id}`;
    say(name, title(job.type));
    name.setAttribute("aria-label", `${title(job.type)} ${way(job)}, ${standing(job)}`);
    say(path, way(job));
    mark.set(job);
    const follows = job.type === "mirror" && ["streaming", "catching_up", "paused"].includes(job.phase);
    const runs = ["running", "cancelling"].includes(job.status) && !follows;
    show(line.element, runs);
    line.set(job.progress?.percent);
    say(what, text(job, runs));
    say(right, runs ? [percent(job.progress), eta(job.progress?.eta_seconds)].filter(Boolean).join(" · ") : moment(job.ended ?? job.created));
  }
  return row;
}

function text(job, runs) {
  if (job.error) return job.error.message;
  if (job.waits) return job.waits;
  if (runs) return job.progress?.operation || words(job.phase);
  if (job.status === "succeeded" && job.undo?.available) return "can be undone";
  return job.mirror ? `mirror ${job.mirror}` : "";
}
