// Says whether what is shown is live, and if not, since when it is old and what is done about it.

import { announce, el, say, show } from "./dom.js";
import { moment, span } from "./format.js";

/** Shows the states of a live stream; `retry` is what the button does. */
export function freshness(retry) {
  const [pill, text] = [document.getElementById("connection"), document.getElementById("connection-text")];
  const stale = document.getElementById("stale");
  const since = el("strong");
  const clock = el("span", { "aria-hidden": "true" });
  const now = el("button", { type: "button", class: "small", text: "Try now", on: { click: retry } });
  stale.replaceChildren(el("div", { class: "inside" }, el("p", {}, since, " ", clock), now));
  let current = { state: "connecting" };

  const tick = () => {
    if (current.state !== "stale") return;
    const wait = Math.max(0, Math.ceil((current.retryAt - Date.now()) / 1000));
    const old = current.since ? `That was ${span(Math.round((Date.now() - current.since) / 1000))} ago. ` : "";
    say(clock, `${old}${wait > 0 ? `Trying again in ${wait} s.` : "Trying again…"}`);
  };
  const ticking = setInterval(tick, 500);

  return {
    becomes(state) {
      const [before, lost] = [current.state, state.state === "stale"];
      current = state;
      pill.dataset.state = state.state;
      show(pill, true);
      say(text, { connecting: "Connecting", live: "Live", stale: "Stale" }[state.state]);
      document.body.classList.toggle("is-stale", lost);
      show(stale, lost);
      if (lost) {
        say(since, state.since
          ? `The connection to the server is lost: what is shown is stale, as it was at ${moment(new Date(state.since))}.`
          : "The server cannot be reached.");
        tick();
      } else if (before === "stale" && state.state === "live") {
        announce("Connected again: what is shown is live.");
      }
    },
    end() {
      clearInterval(ticking);
      show(pill, false);
      show(stale, false);
      document.body.classList.remove("is-stale");
    },
  };
}
