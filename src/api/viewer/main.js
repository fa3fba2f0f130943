// The page: who looks, at what, and whether it is live. Views are chosen by the address behind `#`, and hold no token.

import { Problem, get } from "./api.js";
import { el, show } from "./dom.js";
import { freshness } from "./freshness.js";
import { jobView } from "./job.js";
import { listView } from "./list.js";
import { Live } from "./live.js";
import { problem } from "./problem.js";
import * as session from "./session.js";
import { signIn } from "./signin.js";
import { startView } from "./start.js";

const SCOPES = ["read", "run", "admin"];
const main = document.getElementById("main");
const out = document.getElementById("sign-out");
let inside = null;

/** What every view has at hand. */
function enter(who) {
  const fresh = freshness(() => inside?.live.retryNow());
  const may = (scope) => SCOPES.indexOf(who.scope) >= SCOPES.indexOf(scope);
  inside = { who, may, fresh, live: new Live((state) => fresh.becomes(state)), go: (address) => { location.hash = address; } };
  out.title = `Token ${who.name}, scope ${who.scope}`;
  show(out, true);
  route();
  main.focus({ preventScroll: true });
}

function leave(why) {
  inside?.view?.end?.();
  inside?.live.close();
  inside?.fresh.end();
  inside = null;
  show(out, false);
  document.title = "Sign in · multiboard-sync";
  signIn(main, why, enter);
}

function route() {
  if (!inside) return;
  inside.view?.end?.();
  const [, place, part] = location.hash.replace(/^#/, "").split("/");
  const id = /^job_[0-9A-Za-z]+$/.test(part ?? "") ? part : null;
  const view = place === "jobs" && id ? jobView(inside, id) : place === "start" ? startView(inside) : listView(inside);
  inside.view = view;
  document.title = `${view.title} · multiboard-sync`;
  main.replaceChildren(view.element);
  window.scrollTo(0, 0);
}

window.addEventListener("hashchange", () => {
  route();
  main.focus({ preventScroll: true });
});
out.addEventListener("click", () => session.end());
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
session.whenEnded((why) => leave(why));

/** Who it is is asked for until there is an answer. */
async function begin() {
  if (!session.current()) return leave("");
  try {
    enter(await get("/v1/token"));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status === 401) return undefined;
    main.replaceChildren(problem(error), el("p", { class: "muted", text: "Trying again…" }));
    setTimeout(begin, 2000);
  }
  return undefined;
}
begin();
