// The token that was typed: kept for this tab, or on this device where that was asked for. It never stands in an address.

const KEY = "multiboard-sync.token";

let token = null;
let ended = () => {};

const stores = () => {
  try { return [sessionStorage, localStorage]; } catch { return []; }
};

/** The token, if there is one. */
export function current() {
  token ??= stores().map((store) => store.getItem(KEY)).find((kept) => kept) ?? null;
  return token;
}

/** Keeps a token. */
export function begin(given, onThisDevice) {
  token = given;
  const [tab, device] = stores();
  (onThisDevice ? device : tab)?.setItem(KEY, given);
}

/** Forgets it, and says why to whoever shows that. */
export function end(why = "") {
  token = null;
  stores().forEach((store) => store.removeItem(KEY));
  ended(why);
}

/** Who is told when it has ended. */
export function whenEnded(heard) {
  ended = heard;
}
