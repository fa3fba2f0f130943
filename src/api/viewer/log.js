// What a job said: the newest lines, and older ones when asked for. New ones come at the end, which stays in sight.

import { get } from "./api.js";
import { el, show } from "./dom.js";
import { moment } from "./format.js";

/** Events that are gone through for one page of lines. */
const PAGE = 5000;
const MOST = 2000;

export function logPanel(id) {
  const lines = el("ol", { class: "log", tabindex: 0, "aria-label": "Log lines" });
  const older = el("button", { type: "button", class: "small", text: "Older lines", hidden: true });
  const none = el("p", { class: "muted", text: "Nothing was said yet." });
  const element = el("section", { class: "card", "aria-label": "Log" }, el("div", { class: "heading" }, el("h2", { text: "Log" }), older), none, lines);
  let from = 0;

  const put = (row, atEnd) => {
    const follows = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
    if (atEnd) lines.append(row);
    while (atEnd && lines.children.length > MOST) lines.firstChild.remove();
    if (atEnd && follows) lines.scrollTop = lines.scrollHeight;
    show(none, lines.children.length === 0);
    show(lines, lines.children.length > 0);
  };
  const page = async (after, limit) => {
    const { lines: said } = await get(`/v1/jobs/${id}/logs?after=${after}&limit=${limit}`);
    const rows = said.map((one) => line(one.ts, one.level, one.message));
    lines.prepend(...rows);
    from = after;
    show(older, from > 0);
    put(null, false);
    return rows.length;
  };
  older.addEventListener("click", () => page(Math.max(0, from - PAGE), Math.min(PAGE, from)).catch(() => {}));
  show(lines, false);
  return {
    element,
    /** Lines up to the event of this number. */
    async begin(seq) {
      lines.replaceChildren();
      const after = Math.max(0, seq - PAGE);
      if (seq > 0) await page(after, Math.max(1, seq - after));
      lines.scrollTop = lines.scrollHeight;
    },
    /** A new event, if it says something for people. */
    take({ ts, event, data }) {
      const said = text(event, data);
      if (said) put(line(ts, ...said), true);
    },
  };
}

function line(ts, level, message) {
  return el("li", { "data-level": level }, el("time", { datetime: ts, text: moment(ts) }), el("span", { class: "level", text: level }), el("span", { class: "message", text: message }));
}

function text(event, data) {
  switch (event) {
    case "log": return [data.level, data.message];
    case "warning": return ["warn", data.message];
    case "job.status": return data.error ? ["error", data.error.message] : null;
    case "mirror.phase": return data.error ? ["error", data.error.message] : null;
    default: return null;
  }
}
