// The live stream (interface.md §5): subscriptions that outlive a connection, and the truth about how old what is shown is.
//
// What was missed comes after a reconnect, by number and epoch. Whoever is silent is asked; who does not answer is given up.

import * as session from "./session.js";

const PROTOCOL = "multiboard-sync.v1";
/** A server that has said nothing for so long is asked whether it is there; then it has so long to answer. */
const ASK_AFTER_MS = 4000;
const ANSWER_WITHIN_MS = 4000;
/** So long an attempt to connect may take. */
const WELCOME_WITHIN_MS = 10000;
/** Waits between attempts grow up to here: short enough for someone who watches, rare enough for a server that starts. */
const WAIT_MS = [250, 500, 1000, 2000, 4000, 8000];

export class Live {
  /** `changed` is told `{state: connecting | live | stale, since, retryAt}`. */
  constructor(changed) {
    this.changed = changed;
    this.subscriptions = new Map();
    this.named = 0;
    this.attempts = 0;
    this.heard = null;
    this.state = { state: "connecting", since: null, retryAt: null };
    this.ticking = setInterval(() => this.#tick(), 1000);
    this.now = () => this.retryNow();
    window.addEventListener("online", this.now);
    document.addEventListener("visibilitychange", this.now);
    this.#connect();
  }

  /** Subscribes; what it returns ends that. `heard` has snapshot(data), event(frame), progress(data, ts), failed(problem). */
  subscribe(topic, heard) {
    const sub = `s${++this.named}`;
    this.subscriptions.set(sub, { topic, heard, resume: null });
    if (this.state.state === "live") this.#ask(sub);
    return () => {
      this.subscriptions.delete(sub);
      if (this.state.state === "live") this.#say({ type: "unsubscribe", sub });
    };
  }

  /** Tries now and not when the wait is over. */
  retryNow() {
    if (this.waiting && !document.hidden) {
      clearTimeout(this.waiting);
      this.#connect();
    }
  }

  close() {
    clearInterval(this.ticking);
    clearTimeout(this.waiting);
    window.removeEventListener("online", this.now);
    document.removeEventListener("visibilitychange", this.now);
    this.subscriptions.clear();
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  #connect() {
    this.waiting = null;
    this.began = Date.now();
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/v1/ws`, PROTOCOL);
    this.socket = socket;
    socket.onopen = () => this.#say({ type: "hello", token: session.current() });
    socket.onmessage = (message) => {
      if (this.socket === socket) this.#frame(JSON.parse(message.data));
    };
    socket.onclose = (closed) => {
      if (this.socket === socket) this.#closed(closed.code);
    };
  }

  #closed(code) {
    this.socket = null;
    if (code === 4401 || code === 4403) {
      session.end("The server does not know this token any more.");
      return;
    }
    const wait = WAIT_MS[Math.min(this.attempts++, WAIT_MS.length - 1)];
    const jittered = wait * (0.75 + Math.random() / 2);
    this.waiting = setTimeout(() => this.#connect(), jittered);
    this.#becomes({ state: "stale", since: this.heard, retryAt: Date.now() + jittered });
  }

  /** Looks for silence. Timers of hidden pages are rare: what counts is an answer to a question, not the clock alone. */
  #tick() {
    const now = Date.now();
    if (this.waiting || !this.socket) return;
    if (this.state.state !== "live") {
      if (now - this.began > WELCOME_WITHIN_MS) this.#giveUp();
    } else if (this.asked && this.asked > this.heard) {
      if (now - this.asked > ANSWER_WITHIN_MS) this.#giveUp();
    } else if (now - this.heard > ASK_AFTER_MS) {
      this.asked = now;
      this.#say({ type: "ping", n: this.attempts });
    }
  }

  #giveUp() {
    const socket = this.socket;
    this.#closed(1006);
    socket.close();
  }

  #frame(frame) {
    this.heard = Date.now();
    const subscription = this.subscriptions.get(frame.sub);
    switch (frame.type) {
      case "welcome":
        this.epoch = frame.epoch;
        this.attempts = 0;
        this.asked = null;
        this.#becomes({ state: "live", since: null, retryAt: null });
        for (const sub of this.subscriptions.keys()) this.#ask(sub);
        break;
      case "snapshot":
        if (!subscription) break;
        subscription.resume = { epoch: this.epoch, after: frame.seq };
        subscription.heard.snapshot(frame.data, frame.seq);
        break;
      case "event":
        if (!subscription || (subscription.resume && frame.seq <= subscription.resume.after)) break;
        subscription.resume = { epoch: this.epoch, after: frame.seq };
        subscription.heard.event(frame);
        break;
      case "progress":
        subscription?.heard.progress?.(frame.data, frame.ts);
        break;
      case "heartbeat":
        for (const [sub, seq] of Object.entries(frame.seqs)) {
          if (seq > (this.subscriptions.get(sub)?.resume?.after ?? Infinity)) this.#ask(sub);
        }
        break;
      case "error":
        subscription?.heard.failed?.(frame.error);
        break;
      default:
    }
  }

  #ask(sub) {
    const { topic, resume } = this.subscriptions.get(sub);
    this.#say(resume ? { type: "subscribe", sub, topic, resume } : { type: "subscribe", sub, topic });
  }

  #say(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  #becomes(state) {
    this.state = state;
    this.changed(state);
  }
}
