// What went wrong, in the server's words: what happened, what to do, and the code to look it up by.

import { el } from "./dom.js";

/** An error of a request or of a job. */
export function problem(error, title = "") {
  const message = error.message ?? error.detail ?? String(error);
  return el("div", { class: "panel bad" },
    title && el("h2", { text: title }),
    el("p", { class: "said", text: message }),
    error.hint ? el("p", { class: "hint", text: error.hint }) : null,
    error.code ? el("p", { class: "code", text: error.code }) : null);
}
