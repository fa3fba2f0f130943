// A mirror that follows: how far it is behind, over time; what it applies; what its slot keeps on the source.

import { Chart } from "./chart.js";
import { el, say, show } from "./dom.js";
import { bytes, count, span } from "./format.js";

const FOLLOWS = ["streaming", "catching_up", "paused", "error", "resync_required"];

/** Whether its copy is in place. */
export const follows = (job) => job.type === "mirror" && FOLLOWS.includes(job.phase);

export function mirrorPanel() {
  const lag = new Chart("Behind the source", bytes);
  const rate = new Chart("Rows applied each second", (value) => count(value));
  const names = ["Behind by", "Kept on the source", "Slot", "Transactions", "Rows", "Conflicts", "Reconnects", "Applied to"];
  const facts = new Map(names.map((name) => [name, el("dd", { class: "number" })]));
  const element = el("section", { class: "card", "aria-label": "Mirror" },
    el("div", { class: "charts" }, lag.element, rate.element),
    el("dl", { class: "facts four" }, ...[...facts].map(([name, value]) => el("div", {}, el("dt", { text: name }), value))));
  let before = null;

  const set = (job) => {
    show(element, follows(job));
    const counters = job.counters ?? {};
    const [sum, wal] = [Object.values(counters.conflicts ?? {}).reduce((all, one) => all + (Number(one) || 0), 0), job.wal];
    say(facts.get("Behind by"), job.lag ? `${bytes(job.lag.bytes)}${job.lag.seconds === null ? "" : `, ${span(job.lag.seconds)}`}` : "–");
    const safe = wal?.safe_bytes === null || wal?.safe_bytes === undefined ? "" : `, ${bytes(wal.safe_bytes)} more is safe`;
    say(facts.get("Kept on the source"), wal ? `${bytes(wal.retained_bytes)}${safe}` : "–");
    say(facts.get("Slot"), wal?.status ? (wal.reason ? `${wal.status}: ${wal.reason}` : wal.status) : "–");
    say(facts.get("Transactions"), count(counters.transactions));
    say(facts.get("Rows"), count(counters.rows));
    say(facts.get("Conflicts"), count(sum));
    say(facts.get("Reconnects"), count(counters.reconnects));
    say(facts.get("Applied to"), job.applied_lsn ?? "–");
  };
  /** A lag that was told. */
  const behind = (ts, value) => lag.push(new Date(ts).getTime(), value);
  /** What has been applied by now, from which the rate comes. */
  const applied = (job) => {
    const [at, rows] = [Date.now(), job.counters?.rows];
    if (rows === undefined || job.counters === null) return;
    if (before && at - before.at >= 900 && rows >= before.rows) rate.push(at, ((rows - before.rows) * 1000) / (at - before.at));
    if (!before || at - before.at >= 900) before = { at, rows };
  };
  return { element, set, behind, applied };
}
