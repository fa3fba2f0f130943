// What may be done with a job: by its kind, its state and the token's scope. What cannot be taken back is asked for first.

import { act, ask as askFor, key } from "./api.js";
import { isOver } from "./badge.js";
import { ask } from "./dialog.js";
import { el } from "./dom.js";
import { title } from "./format.js";

/** The actions that a job allows now: `{name, label, scope, danger}`. Values in, values out. */
export function allowed(job) {
  const [over, mirror] = [isOver(job), job.type === "mirror" && Boolean(job.mirror)];
  const ours = job.run_by !== "command";
  const action = (name, label, scope = "run", danger = false) => ({ name, label, scope, danger });
  return [
    mirror && !over && ["running", "retrying"].includes(job.status) && action("pause", "Pause"),
    mirror && (over || ["paused", "pausing"].includes(job.status)) && action("resume", "Resume"),
    job.error?.code === "confirmation_missing" && over && action("confirm", "Confirm and start again…", "run", true),
    !mirror && ["failed", "cancelled"].includes(job.status) && !job.undo?.available && job.error?.code !== "confirmation_missing" && action("retry", "Try again"),
    mirror && job.phase !== "preparing" && job.phase !== "snapshotting" && action("verify", "Compare…"),
    mirror && job.phase !== "preparing" && job.phase !== "snapshotting" && action("resync", "Copy tables again…"),
    job.undo?.available && action("undo", "Undo…", "admin", true),
    !over && ours && job.status !== "cancelling" && action("cancel", "Cancel…", "run", true),
    mirror && job.phase === "error" && action("skip", "Leave the transaction out…", "admin", true),
    mirror && action("drop", "Drop…", "admin", true),
  ].filter(Boolean);
}

/** Why something that a job allows is not offered to this token. */
export function withheld(job, may, scope) {
  const lacking = allowed(job).filter((action) => !may(action.scope));
  if (lacking.length === 0) return "";
  const names = lacking.map((action) => action.label.replace("…", "").toLowerCase()).join(", ");
  return `Your token has scope ${scope}. For ${names} it takes scope ${lacking.some((action) => action.scope === "run") ? "run" : "admin"}.`;
}

/** Does it, after asking where that is due. Resolves to the address to go to, if it leads elsewhere. */
export async function carryOut(name, job, tables) {
  switch (name) {
    case "pause": case "resume": case "retry":
      await act(job.id, name);
      return undefined;
    case "cancel": return cancel(job);
    case "undo": return undo(job);
    case "confirm": return confirm(job);
    case "verify": return compare(job);
    case "resync": return resync(job, tables);
    case "skip": return skip(job);
    case "drop": return drop(job);
    default: return undefined;
  }
}

function cancel(job) {
  const after = job.type === "mirror"
    ? "The mirror stops. What it copied stays, and so does its slot on the source, which keeps log there until the mirror is resumed or dropped."
    : "It stops reading and writing at once, and removes what it has made so far. The destination stays as it was.";
  return ask({ title: `Cancel this ${job.type}?`, text: [after], label: `Cancel the ${job.type}`, danger: true, doing: async () => { await act(job.id, "cancel"); } });
}

function undo(job) {
  const [database, kept] = [job.destination_database ?? "the database", job.undo.kept_as];
  const sessions = el("label", { class: "check" }, el("input", { type: "checkbox", name: "terminate" }), el("span", { text: `End other sessions in ${database}` }));
  return ask({
    title: "Undo this clone?",
    text: [`${kept ? `The database kept as ${kept}` : "The replaced database"} becomes ${database} again. The clone is kept under another name.`],
    fields: [sessions], label: "Undo", danger: true,
    doing: async (form) => { await act(job.id, "undo", { terminate_sessions: form.has("terminate") }); },
  });
}

/** The same once more, with the name of the database that may be replaced. */
function confirm(job) {
  const once = key();
  return ask({
    title: `Replace ${job.destination_database}?`,
    text: [`The database ${job.destination_database} at ${job.destination} holds something. It is replaced by a copy of ${job.source}; undo brings it back.`],
    expected: job.destination_database, label: "Replace and start", danger: true,
    doing: async () => {
      const { type, source, destination, options } = job;
      const started = await askFor({ type, source, destination, options, confirm: job.destination_database }, once);
      return `#/jobs/${started.id}`;
    },
  });
}

function compare(job) {
  const modes = [["counts", "Rows of each table"], ["checksum", "A checksum of every table"], ["rows", "Checksums, and which rows differ"]];
  const choice = el("label", { class: "field" }, el("span", { text: "How much is compared" }),
    el("select", { name: "mode" }, ...modes.map(([value, text]) => el("option", { value, text }))));
  return ask({
    title: `Compare both sides of ${job.mirror}?`, text: ["Both are read at one moment, while the mirror goes on. Nothing is changed."],
    fields: [choice], label: "Compare",
    doing: async (form) => `#/jobs/${(await act(job.id, "verify", { mode: form.get("mode") })).id}`,
  });
}

function resync(job, tables) {
  const known = el("datalist", { id: "known-tables" }, ...tables.map((table) => el("option", { value: table })));
  const input = el("input", { name: "tables", required: true, list: "known-tables", autocomplete: "off", spellcheck: "false", placeholder: "public.orders" });
  const field = el("label", { class: "field" }, el("span", { text: "Tables, apart by commas; * and ? stand for anything" }), input, known);
  return ask({
    title: "Copy tables again?", text: ["They are copied as they are on the source now, and replaced here. The others go on meanwhile."],
    fields: [field], label: "Copy again", danger: true,
    doing: async (form) => { await act(job.id, "resync", { tables: form.get("tables").split(",").map((name) => name.trim()).filter(Boolean) }); },
  });
}

/** The position stands in the error that the mirror stopped with. */
function skip(job) {
  const [at] = `${job.error?.message ?? ""} ${job.error?.hint ?? ""}`.match(/\b[0-9A-F]{1,8}\/[0-9A-F]{1,8}\b/) ?? [""];
  const field = el("label", { class: "field" }, el("span", { text: "Where it stands in the source's log" }),
    el("input", { name: "lsn", required: true, value: at, autocomplete: "off", spellcheck: "false", placeholder: "16/B374D848" }));
  return ask({
    title: "Leave the transaction out?", text: ["The destination lacks for good what it did. The mirror then goes on behind it, once it is resumed."],
    fields: [field], label: "Leave it out", danger: true,
    doing: async (form) => { await act(job.id, "skip", { lsn: form.get("lsn").trim() }); },
  });
}

function drop(job) {
  return ask({
    title: `Drop the mirror ${job.mirror}?`,
    text: ["It ends for good: its slot, its publication and its checkpoint go. What it copied stays where it is.", "To follow again, it would have to copy everything again."],
    expected: job.mirror, label: "Drop the mirror", danger: true,
    doing: async () => { await act(job.id, "drop"); },
  });
}

/** The buttons of a job; made again only where they are other ones. */
export function buttons({ may, who }, doing) {
  const row = el("div", { class: "buttons", "aria-label": "Actions", role: "group" });
  const why = el("p", { class: "muted small" });
  const element = el("div", { class: "actions" }, row, why);
  const known = new Map();
  const set = (job) => {
    const wanted = allowed(job).filter((action) => may(action.scope));
    const names = new Set(wanted.map((action) => action.name));
    for (const { name, label, danger } of wanted) {
      if (known.has(name)) continue;
      const button = el("button", { type: "button", class: danger ? "danger-quiet" : "", "data-action": name, text: label,
        on: { click: () => doing(name) } });
      known.set(name, button);
    }
    const shown = [...row.children];
    const next = wanted.map((action) => known.get(action.name));
    if (shown.length !== next.length || shown.some((button, place) => button !== next[place])) {
      const focused = document.activeElement;
      row.replaceChildren(...next);
      if (names.has(focused?.dataset?.action)) focused.focus();
      else if (shown.includes(focused)) next[0]?.focus();
    }
    const command = job.run_by === "command" && !isOver(job) ? `This ${title(job.type).toLowerCase()} belongs to a command, which ends it: press Ctrl-C where that runs.` : "";
    why.textContent = [withheld(job, may, who.scope), command].filter(Boolean).join(" ");
    why.hidden = why.textContent === "";
  };
  return { element, set };
}
