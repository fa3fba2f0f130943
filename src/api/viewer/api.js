// Requests to the server, and its problems as errors.

import * as session from "./session.js";

/** What a server, or nobody, answered instead of what was asked for. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail ?? body.title ?? `the server answered with ${status}`);
    this.status = status;
    this.code = (body.type ?? "").split(":").pop();
    this.hint = body.hint ?? "";
    this.facts = body;
  }
}

/** Sends a request; its answer as a value. A token that is not taken any more ends the session. */
export async function send(method, path, body, headers = {}) {
  try {
    return await request(session.current(), method, path, body, headers);
  } catch (error) {
    if (error.status === 401) session.end("The server does not know this token any more.");
    throw error;
  }
}

/** Whose token this is: asked before it is kept. */
export const whose = (token) => request(token, "GET", "/v1/token");

async function request(token, method, path, body, headers = {}) {
  const init = { method, headers: { ...headers, Authorization: `Bearer ${token}` }, cache: "no-store" };
  if (body !== undefined) {
    init.headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  const answer = await fetch(path, init).catch(() => {
    throw new Problem(0, { detail: "the server cannot be reached", hint: "is it running, and is the network there?" });
  });
  const value = await answer.json().catch(() => ({}));
  if (answer.ok) return value;
  throw new Problem(answer.status, value);
}

export const get = (path) => send("GET", path);

/** Does something with a job. */
export const act = (job, action, body = {}) => send("POST", `/v1/jobs/${encodeURIComponent(job)}/${action}`, body);

/** Asks for a job: the same key again is the same job, should the first answer have been lost. */
export const ask = (job, key) => send("POST", "/v1/jobs", job, { "Idempotency-Key": key });

/** A key for one request. (`randomUUID` is there on pages with TLS only.) */
export function key() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
