// A job is asked for: what, from where, to where, and the options that people use most.

import { ask, get, key, send } from "./api.js";
import { el, say, show } from "./dom.js";
import { problem } from "./problem.js";

const KINDS = [
  ["clone", "Clone", "Copies a database once, compares it, and puts it in place of the old one, which is kept for an undo."],
  ["mirror", "Mirror", "Copies a database, and goes on following it until it is paused or dropped."],
  ["verify", "Verify", "Compares two databases. Changes nothing."],
  ["test", "Test", "A small job that touches no database: it tries whether the server works."],
];

/** The options: name, for which kinds, what it says, and what it is. */
const OPTIONS = [
  { name: "name", kinds: ["mirror"], label: "Name of the mirror", help: "Else the destination database's", kind: "text" },
  { name: "verify", kinds: ["clone", "mirror"], label: "Compare at the end", kind: "choice", choices: [["counts", "Row counts"], ["checksum", "Checksums"], ["none", "Nothing"]] },
  { name: "mode", kinds: ["verify"], label: "Compare", kind: "choice", choices: [["counts", "Row counts"], ["checksum", "Checksums"], ["rows", "Checksums, and which rows differ"]] },
  { name: "on_conflict", kinds: ["mirror"], label: "Where the destination contradicts a change", kind: "choice", choices: [["", "As before, or stop"], ["stop", "Stop"], ["skip", "Leave the change out"], ["overwrite", "The source wins"]] },
  { name: "include", kinds: ["clone", "mirror", "verify"], label: "Only these tables", help: "schema.table, schema.* or schema, apart by commas", kind: "list" },
  { name: "exclude", kinds: ["clone", "mirror", "verify"], label: "Not these tables", kind: "list" },
  { name: "exclude_data", kinds: ["clone", "mirror"], label: "These without their rows", kind: "list" },
  { name: "jobs", kinds: ["clone", "mirror"], label: "Tables copied beside each other", kind: "number", min: 1, max: 256 },
  { name: "wal_budget", kinds: ["mirror"], label: "Log that it may keep on the source", help: "512MB, 8GB; else 8GB", kind: "text" },
  { name: "schema_only", kinds: ["clone"], label: "No rows at all", kind: "check" },
  { name: "no_owner", kinds: ["clone", "mirror"], label: "Everything belongs to the connecting role", kind: "check" },
  { name: "no_privileges", kinds: ["clone", "mirror"], label: "Grant no privileges", kind: "check" },
  { name: "create_roles", kinds: ["clone", "mirror"], label: "Create roles that are missing, without login", kind: "check" },
  { name: "terminate_sessions", kinds: ["clone", "mirror"], label: "End other sessions in the old database", kind: "check" },
  { name: "accept_unbounded_wal", kinds: ["mirror"], label: "Go on although the source bounds nothing that a slot keeps", kind: "check" },
  { name: "seconds", kinds: ["test"], label: "Seconds that it works", kind: "number", min: 0, max: 3600 },
];

export function startView({ may, who, go }) {
  if (!may("run")) {
    return { title: "Start a job", element: el("section", { class: "view" }, el("a", { class: "back", href: "#/", text: "← Jobs" }),
      el("h1", { text: "Start a job" }), el("p", { class: "note", text: `Your token has scope ${who.scope}: it looks, and starts nothing. "multiboard-sync token create --scope run" makes one that may.` })) };
  }
  const wrong = el("div", { role: "alert" });
  const about = el("p", { class: "muted" });
  const kinds = el("fieldset", { class: "kinds" }, el("legend", { text: "What" }), ...KINDS.map(([value, text], place) =>
    el("label", { class: "kind" }, el("input", { type: "radio", name: "type", value, checked: place === 0 }), el("span", { text }))));
  const [source, destination] = [end("source", "From"), end("destination", "To")];
  const confirm = el("input", { id: "confirm", name: "confirm", autocomplete: "off", autocapitalize: "off", spellcheck: "false" });
  const confirmHelp = el("span", { class: "help" });
  const confirmation = el("label", { class: "field", for: "confirm" }, el("span", { text: "If the destination holds something" }), confirm, confirmHelp);
  const inputs = OPTIONS.map(input);
  const [most, rest] = [inputs.filter((one) => ["name", "verify", "mode", "seconds"].includes(one.option.name)), inputs.filter((one) => !["name", "verify", "mode", "seconds"].includes(one.option.name))];
  const others = el("details", {}, el("summary", { text: "More options" }), el("div", { class: "options" }, ...rest.map((one) => one.element)));
  const submit = el("button", { type: "submit", class: "primary", text: "Start" });
  const form = el("form", { class: "card" }, kinds, about, el("div", { class: "ends" }, source.element, destination.element),
    confirmation, el("div", { class: "options" }, ...most.map((one) => one.element)), others, wrong, el("div", { class: "buttons" }, submit));
  const element = el("section", { class: "view narrow" }, el("a", { class: "back", href: "#/", text: "← Jobs" }), el("h1", { text: "Start a job" }), form);
  let once = key();

  const kind = () => form.elements.type.value;
  const fit = () => {
    say(about, KINDS.find(([value]) => value === kind())[2]);
    inputs.forEach((one) => show(one.element, one.option.kinds.includes(kind())));
    show(others, rest.some((one) => one.option.kinds.includes(kind())));
    const writes = ["clone", "mirror"].includes(kind());
    [source, destination].forEach((one) => { show(one.element, kind() !== "test"); one.select.disabled = kind() === "test"; });
    show(confirmation, writes);
    const database = destination.chosen()?.database;
    confirm.placeholder = database ?? "";
    say(confirmHelp, database ? `Type its name, ${database}, to have it replaced. The old one is kept for an undo.` : "Type its name to have it replaced.");
  };
  form.addEventListener("change", fit);
  form.addEventListener("input", () => { once = key(); });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    wrong.replaceChildren();
    submit.disabled = true;
    try {
      const options = Object.fromEntries(inputs.filter((one) => one.option.kinds.includes(kind())).map((one) => [one.option.name, one.value()]).filter(([, value]) => value !== null));
      const job = { type: kind(), options };
      if (kind() !== "test") Object.assign(job, { source: source.select.value, destination: destination.select.value });
      if (["clone", "mirror"].includes(kind()) && confirm.value.trim()) job.confirm = confirm.value.trim();
      go(`#/jobs/${(await ask(job, once)).id}`);
    } catch (error) {
      wrong.replaceChildren(problem(error));
      submit.disabled = false;
    }
  });
  get("/v1/connections").then(({ connections }) => {
    source.fill(connections.filter((one) => one.role !== "destination"));
    destination.fill(connections.filter((one) => one.role !== "source"));
    fit();
  }, (error) => wrong.replaceChildren(problem(error)));
  fit();
  return { title: "Start a job", element };
}

/** One end: a connection is chosen, and may be tried. */
function end(name, label) {
  const select = el("select", { name, id: name, required: true });
  const [where, answer] = [el("span", { class: "help" }), el("span", { class: "help", role: "status" })];
  const check = el("button", { type: "button", class: "small", text: "Check" });
  let known = [];
  const chosen = () => known.find((one) => one.name === select.value);
  const tell = () => {
    const one = chosen();
    say(where, one?.problem ?? one?.endpoint ?? "No connection of multiboard-sync.toml can be used here.");
    say(answer, "");
  };
  select.addEventListener("change", tell);
  check.addEventListener("click", async () => {
    check.disabled = true;
    say(answer, "Asking…");
    try {
      const said = await send("POST", `/v1/connections/${encodeURIComponent(select.value)}/test`, {});
      say(answer, `✓ PostgreSQL ${said.server_version} answered within ${said.ms} ms`);
    } catch (error) {
      say(answer, `✗ ${error.message}`);
    }
    check.disabled = false;
  });
  const fill = (connections) => {
    known = connections;
    select.replaceChildren(...connections.map((one) => el("option", { value: one.name, text: one.name })));
    tell();
  };
  const element = el("div", { class: "field end" }, el("label", { for: name, text: label }), el("div", { class: "row" }, select, check), where, answer);
  return { element, select, chosen, fill };
}

/** An option's input, and what makes its value; null is: as it is without. */
function input(option) {
  if (option.kind === "check") {
    const box = el("input", { type: "checkbox", name: option.name });
    return { option, element: el("label", { class: "check" }, box, el("span", { text: option.label })), value: () => (box.checked ? true : null) };
  }
  if (option.kind === "choice") {
    const select = el("select", { name: option.name }, ...option.choices.map(([value, text]) => el("option", { value, text })));
    return { option, element: field(option, select), value: () => select.value || null };
  }
  const number = option.kind === "number";
  const box = el("input", { name: option.name, type: number ? "number" : "text", min: option.min, max: option.max, autocomplete: "off", spellcheck: "false" });
  const value = () => {
    const text = box.value.trim();
    if (!text) return null;
    if (number) return Number(text);
    return option.kind === "list" ? text.split(",").map((one) => one.trim()).filter(Boolean) : text;
  };
  return { option, element: field(option, box), value };
}

const field = (option, box) => el("label", { class: "field" }, el("span", { text: option.label }), box, option.help && el("span", { class: "help", text: option.help }));
