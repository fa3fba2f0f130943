// Questions before something is done: a `<dialog>`, which keeps the focus inside and gives it back.

import { el, say, show } from "./dom.js";
import { problem } from "./problem.js";

/**
 * Asks, and does it. `fields` are elements with inputs; `expected` has to be typed first; `doing` gets the form's values, and its
 * promise is waited for: what fails is said in the dialog. Resolves to what `doing` gave, or to undefined.
 */
export function ask({ title, text = [], fields = [], label, danger = false, expected = null, doing }) {
  const wrong = el("div", { role: "alert" });
  const typed = expected === null ? null : el("input", { id: "typed", name: "typed", autocomplete: "off", autocapitalize: "off", spellcheck: "false" });
  const go = el("button", { type: "submit", class: danger ? "danger" : "primary", text: label });
  const back = el("button", { type: "button", text: "Not now" });
  const form = el("form", {},
    el("h2", { id: "dialog-title", text: title }),
    ...text.map((line) => el("p", { text: line })),
    ...fields,
    typed && el("label", { class: "field", for: "typed" }, el("span", {}, "Type ", el("code", { text: expected }), " to confirm"), typed),
    wrong,
    el("div", { class: "buttons" }, back, go));
  const dialog = el("dialog", { "aria-labelledby": "dialog-title", class: danger ? "dangerous" : "" }, form);
  const allow = (allowed) => { go.disabled = !allowed; };
  typed?.addEventListener("input", () => allow(typed.value === expected));
  allow(typed === null);

  return new Promise((resolve) => {
    let [done, busy] = [undefined, false];
    back.addEventListener("click", () => dialog.close());
    dialog.addEventListener("cancel", (event) => busy && event.preventDefault());
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(done);
    });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (go.disabled) return;
      busy = true;
      back.disabled = true;
      allow(false);
      say(go, "Working…");
      try {
        done = (await doing(new FormData(form))) ?? true;
        dialog.close();
      } catch (error) {
        wrong.replaceChildren(problem(error));
        busy = false;
        back.disabled = false;
        say(go, label);
        allow(true);
        show(wrong, true);
      }
    });
    document.body.append(dialog);
    dialog.showModal();
    (typed ?? form.querySelector("input, select, textarea") ?? back).focus();
  });
}
