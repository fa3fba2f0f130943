// What came of a run: what went wrong, what the person should know, the report, the way back, the attempts before.

import { get } from "./api.js";
import { isOver } from "./badge.js";
import { el, say, show } from "./dom.js";
import { between, count, many, moment, span, words } from "./format.js";
import { problem } from "./problem.js";

/** The hint of the command line is no help here. */
const CONFIRM = "“Confirm and start again” asks for its name, and then replaces it. The old one is kept for an undo.";

/** The error of a job, with its hint. */
export function errorPanel() {
  const element = el("div", { hidden: true });
  let shown = "";
  const set = (job) => {
    const now = JSON.stringify(job.error ?? null);
    if (now === shown) return;
    shown = now;
    show(element, Boolean(job.error));
    const titles = { failed: "It failed", retrying: "It is tried again", cancelled: "It was cancelled" };
    const error = job.error?.code === "confirmation_missing" ? { ...job.error, hint: CONFIRM } : job.error;
    element.replaceChildren(...(error ? [problem(error, titles[job.status] ?? "Something is wrong")] : []));
  };
  return { element, set };
}

export function warningsPanel() {
  const list = el("ul", { class: "plain" });
  const heading = el("h2");
  const element = el("section", { class: "card warned", "aria-label": "Warnings", hidden: true }, heading, list);
  const set = (job) => {
    const warnings = job.warnings ?? [];
    show(element, warnings.length > 0);
    if (list.children.length === warnings.length) return;
    say(heading, many(warnings.length, "warning"));
    list.replaceChildren(...warnings.map((warning) => el("li", {}, el("span", { text: warning.message }),
      warning.object && !warning.message.includes(warning.object) ? el("code", { text: ` ${warning.object}` }) : null)));
  };
  return { element, set };
}

/** The report of the last run. */
export function reportPanel() {
  const body = el("div", { class: "stack" });
  const element = el("section", { class: "card", "aria-label": "Report", hidden: true }, el("h2", { text: "Report" }), body);
  let shown = "";
  const set = (job) => {
    const says = job.status === "succeeded" || job.report?.verification || job.report?.followed;
    const report = isOver(job) && says ? job.report : null;
    show(element, Boolean(report));
    const now = JSON.stringify([report, job.undo]);
    if (!report || now === shown) return;
    shown = now;
    body.replaceChildren(...content(report, job));
  };
  return { element, set };
}

function content(report, job) {
  const facts = [["From", report.source], ["To", report.destination], ["Took", span(report.elapsed_ms / 1000)]];
  if (report.followed) facts.push(["Transactions applied", count(report.followed.transactions)], ["Rows applied", count(report.followed.rows)]);
  if (report.profile) facts.push(["Platform", report.profile]);
  const verified = report.verification;
  return [
    el("dl", { class: "facts wide" }, ...facts.map(([name, value]) => el("div", {}, el("dt", { text: name }), el("dd", { text: value })))),
    verified && verdict(verified),
    job.undo && el("p", { class: "muted", text: job.undo.available
      ? `The database that was replaced is kept${job.undo.kept_as ? ` as ${job.undo.kept_as}` : ""}: undo brings it back.`
      : "It was undone, or what it replaced is gone." }),
    several("Left out", (report.skipped ?? []).map((one) => `${one.object}: ${one.reason}`)),
    several("Switched off", report.neutralized ?? []),
    several("Created beside the database", report.created ?? []),
  ].filter(Boolean);
}

function verdict(verified) {
  const same = verified.different.length === 0;
  const mode = { counts: "by their row counts", checksum: "by checksums of their rows", rows: "row by row" }[verified.mode] ?? "";
  const text = same ? `${many(verified.equal, "thing")} compared ${mode}: all equal.` : `${many(verified.different.length, "difference")}, ${count(verified.equal)} equal (compared ${mode}).`;
  return el("div", { class: `panel ${same ? "good" : "bad"}` }, el("p", { text }), several("", verified.different), several("Not compared", (verified.left_out ?? []).map((one) => `${one.object}: ${one.reason}`)));
}

function several(name, items) {
  if (items.length === 0) return null;
  return el("div", { class: "several" }, name && el("h3", { text: name }), el("ul", { class: "plain" }, ...items.map((text) => el("li", { text }))));
}

/** The attempts, read when somebody opens them. */
export function runsPanel(id) {
  const list = el("ol", { class: "plain runs" });
  const element = el("details", { class: "card" }, el("summary", { text: "Runs" }), list);
  const read = async () => {
    try {
      const { runs } = await get(`/v1/jobs/${id}/runs`);
      list.replaceChildren(...(runs.length ? runs.map(run) : [el("li", { class: "muted", text: "It has not run yet." })]));
    } catch (error) {
      list.replaceChildren(el("li", {}, problem(error)));
    }
  };
  element.addEventListener("toggle", () => element.open && read());
  return { element, changed: () => element.open && read() };
}

function run(one) {
  return el("li", {}, el("strong", { text: `Run ${one.attempt}` }), ` ${words(one.status)} · ${moment(one.started)} · ${between(one.started, one.ended)}`,
    one.error ? el("p", { class: "muted", text: one.error.message }) : null);
}
