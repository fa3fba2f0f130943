// The door: a token is typed once, tried, and kept in this tab.

import { el } from "./dom.js";
import { problem } from "./problem.js";
import * as session from "./session.js";
import { whose } from "./api.js";

/** Shows it; `entered` is called with who it is. */
export function signIn(main, why, entered) {
  const wrong = el("div", { role: "alert" });
  const token = el("input", { id: "token", type: "password", autocomplete: "off", required: true, spellcheck: "false", "aria-describedby": "token-help" });
  const keep = el("input", { type: "checkbox", id: "keep" });
  const go = el("button", { type: "submit", class: "primary", text: "Sign in" });
  const form = el("form", { class: "card door" },
    el("h1", { text: "Sign in" }),
    el("p", { class: "muted", text: "Watch jobs, start them, and take them back." }),
    el("label", { class: "field", for: "token" }, el("span", { text: "Token" }), token),
    el("p", { class: "help", id: "token-help" }, "The first one is in the file ", el("code", { text: "admin-token" }), " of the server's data directory; ",
      el("code", { text: "multiboard-sync token create" }), " makes more."),
    el("label", { class: "check" }, keep, el("span", { text: "Keep me signed in on this device" })),
    wrong, go);
  if (why) wrong.replaceChildren(problem({ message: why }));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    go.disabled = true;
    wrong.replaceChildren();
    try {
      const who = await whose(token.value.trim());
      session.begin(token.value.trim(), keep.checked);
      entered(who);
    } catch (error) {
      const message = error.status === 401 ? "This token is not valid: it was mistyped, taken back, or is another server's." : error.message;
      wrong.replaceChildren(problem({ message, hint: error.status === 401 ? "" : error.hint }));
      go.disabled = false;
      token.focus();
      token.select();
    }
  });
  main.replaceChildren(form);
  token.focus();
}
