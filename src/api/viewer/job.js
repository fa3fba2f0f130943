// One job: everything that is known of it, as it happens.

import { get } from "./api.js";
import { buttons, carryOut } from "./actions.js";
import { badge, isOver, standing, way } from "./badge.js";
import { Chart } from "./chart.js";
import { announce, el, say, show } from "./dom.js";
import { bytes, moment, title } from "./format.js";
import { gauge } from "./gauge.js";
import { logPanel } from "./log.js";
import { follows, mirrorPanel } from "./mirror.js";
import { errorPanel, reportPanel, runsPanel, warningsPanel } from "./outcome.js";
import { problem } from "./problem.js";
import { tablesPanel } from "./tables.js";

/** What is not in the stream (counters, positions) is read so often while a mirror is looked at. */
const LOOK_MS = 2000;
/** Lags from before the page was opened, for the chart. */
const EARLIER = 600;

export function jobView(inside, id) {
  const { live } = inside;
  let [job, due, ended, busy] = [null, null, false, false];
  const mark = badge();
  const [heading, path, facts] = [el("h1", { text: "Job" }), el("p", { class: "way" }), el("p", { class: "muted small" })];
  const wrong = el("div", { role: "alert" });
  const actions = buttons(inside, act);
  const speed = new Chart("Copied each second", (value) => `${bytes(value)}/s`);
  const charts = el("section", { class: "card", "aria-label": "Throughput", hidden: true }, speed.element);
  const [meter, mirror, tables, log] = [gauge(), mirrorPanel(), tablesPanel(), logPanel(id)];
  const [error, warnings, report, runs] = [errorPanel(), warningsPanel(), reportPanel(), runsPanel(id)];
  const parts = [error, warnings, report, mirror, meter];
  parts.forEach((part) => show(part.element, false));
  show(tables.element, false);
  const asked = el("pre");
  const options = el("details", { class: "card" }, el("summary", { text: "Options" }), asked);
  const element = el("section", { class: "view", "data-job": id },
    el("a", { class: "back", href: "#/", text: "← Jobs" }),
    el("div", { class: "heading" }, el("div", { class: "about" }, el("div", { class: "named" }, heading, mark.element), path, facts), actions.element),
    wrong, error.element, meter.element, mirror.element, charts, report.element, warnings.element, tables.element, log.element, runs.element, options);

  function draw() {
    const was = element.dataset.standing;
    element.dataset.standing = standing(job);
    if (was && was !== element.dataset.standing) announce(`${title(job.type)}: ${standing(job)}${job.error ? `. ${job.error.message}` : ""}`);
    say(heading, title(job.type));
    document.title = `${title(job.type)} ${way(job)} · multiboard-sync`;
    mark.set(job);
    say(path, `${way(job)}${job.destination_database ? ` (database ${job.destination_database})` : ""}`);
    const times = [`asked for ${moment(job.created)}`, job.ended && `ended ${moment(job.ended)}`, job.attempt > 1 && `run ${job.attempt}`, job.mirror && `mirror ${job.mirror}`];
    say(facts, [...times, job.id].filter(Boolean).join(" · "));
    actions.set(job);
    parts.forEach((part) => part.set(job));
    if (follows(job)) show(meter.element, false);
    show(charts, speed.points.some((point) => point.value > 0) && !follows(job));
    say(asked, JSON.stringify(job.options, null, 2));
  }

  /** Everything anew, soon: events say what happened, the job says how it is by that. */
  function look(after = 150) {
    due ??= setTimeout(async () => {
      due = null;
      try {
        const read = await get(`/v1/jobs/${id}`);
        if (ended) return;
        // A record may be a moment behind the event that it was told by.
        const early = isOver(job) && job.last === job.status && !isOver(read);
        job = early ? { ...read, status: job.status, error: job.error } : { ...read, last: job.last };
        mirror.applied(job);
        draw();
        if (early) look(700);
      } catch { /* the connection's own state says that already */ }
    }, after);
  }

  const done = live.subscribe(`job:${id}`, {
    snapshot(data, seq) {
      job = data.job;
      tables.clear();
      data.tables.forEach(tables.put);
      draw();
      log.begin(seq).catch(() => {});
      runs.changed();
      if (data.tables.length >= 200) get(`/v1/jobs/${id}/tables`).then((all) => all.tables.forEach(tables.put), () => {});
      if (job.type === "mirror") earlier(seq);
    },
    event(frame) {
      take(frame);
      log.take(frame);
      if (frame.event !== "mirror.lag") look();
    },
    progress(data, ts) {
      if (!job) return;
      const { tables: running, table_counts: counts, ...progress } = data;
      job = { ...job, progress: { ...progress, tables: counts } };
      tables.progress(running ?? []);
      if (job.status === "running") speed.push(new Date(ts).getTime(), progress.rate_bytes_s);
      draw();
    },
    failed(reason) {
      element.replaceChildren(el("a", { class: "back", href: "#/", text: "← Jobs" }), el("h1", { text: "No such job" }), problem({ message: reason.detail }));
    },
  });

  function take({ ts, event, data }) {
    switch (event) {
      case "job.status":
        if (data.status === "running") {
          tables.clear();
          job.warnings = [];
        }
        job = { ...job, status: data.status, error: data.error, last: data.status };
        runs.changed();
        break;
      case "job.phase": job = { ...job, phase: job.type === "mirror" ? job.phase : data.phase }; break;
      case "mirror.phase": job = { ...job, phase: data.phase, error: data.error ?? job.error }; break;
      case "mirror.lag":
        job = { ...job, lag: { bytes: data.bytes, seconds: data.seconds }, wal: { ...job.wal, retained_bytes: data.retained_wal_bytes } };
        mirror.behind(ts, data.bytes);
        break;
      case "table.started": tables.started(data.table); break;
      case "table.finished": tables.finished(data); break;
      case "warning": job = { ...job, warnings: [...job.warnings, data] }; break;
      default: return;
    }
    draw();
  }

  async function earlier(seq) {
    const after = Math.max(0, seq - EARLIER);
    const { events } = await get(`/v1/jobs/${id}/events?after=${after}&limit=${EARLIER}`).catch(() => ({ events: [] }));
    events.filter((one) => one.event === "mirror.lag" && one.seq <= seq).forEach((one) => mirror.behind(one.ts, one.data.bytes));
    mirror.applied(job);
  }

  /** One thing at a time. The button stays enabled: a question gives the focus back to it. */
  async function act(name) {
    if (busy) return;
    busy = true;
    wrong.replaceChildren();
    try {
      const address = await carryOut(name, job, tables.names());
      if (typeof address === "string") inside.go(address);
      else look(0);
    } catch (reason) {
      wrong.replaceChildren(problem(reason));
    } finally {
      busy = false;
    }
  }

  const looking = setInterval(() => {
    if (job?.type === "mirror" && !isOver(job) && !document.hidden && live.state.state === "live") look(0);
    else if (job && !isOver(job) && live.state.state === "live") meter.set(job);
  }, LOOK_MS);
  return {
    title: "Job",
    element,
    end() {
      ended = true;
      clearInterval(looking);
      clearTimeout(due);
      done();
    },
  };
}
