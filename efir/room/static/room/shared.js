// The tabs of one browser share one stream: over HTTP/1.1 a browser has six connections to a host, and no more.
// The tab that holds the lock has the stream and tells the others what it says. An open stream is presence, and
// browsers put hidden tabs to sleep: a tab that comes into view takes the lock from whoever holds it.
import { Connection } from "./connection.js";

const SIGN_MS = 5000;
const SILENT_SIGNS = 4;

export class SharedStream {
  constructor(name, address, stateAddress, { onState, onLost, onBack }) {
    Object.assign(this, { name, onState, onLost, onBack });
    this.connection = new Connection(address, stateAddress, {
      onState: (state) => this.say({ state, at: Date.now() }),
      onLost: () => this.say({ lost: true }),
      onBack,
    });
  }

  open() {
    // Plain http on another host than localhost has no locks: there each tab has a stream of its own.
    if (!navigator.locks || !window.BroadcastChannel) return this.connection.open();
    this.channel = new BroadcastChannel(this.name);
    this.channel.addEventListener("message", ({ data }) => this.hear(data));
    document.addEventListener("visibilitychange", () => this.look());
    window.addEventListener("pagehide", () => this.leave());
    window.addEventListener("pageshow", (event) => { if (event.persisted) this.join(); });
    setInterval(() => this.pulse(), SIGN_MS);
    return this.join();
  }

  // For good: every tab does it when it hears of the finish. The lock is not passed on, so that nobody opens again.
  close() {
    this.closed = true;
    this.waiting?.abort();
    this.connection.close();
  }

  join() {
    this.here = true;
    if (document.hidden) this.follow();
    else this.takeOver();
  }

  follow() {
    if (this.closed) return;
    this.silent = 0;
    this.waiting = new AbortController();
    this.request({ signal: this.waiting.signal });
    this.channel.postMessage({ hello: true });
  }

  takeOver() {
    if (this.leading || this.closed || !this.here) return;
    this.silent = 0;
    this.waiting?.abort();
    this.request({ steal: true });
  }

  // Only the latest request counts: one that was given up may be granted still, and lets go at once.
  request(options) {
    const turn = this.turn = {};
    const lead = () => (turn === this.turn && !this.closed ? this.lead() : undefined);
    navigator.locks.request(this.name, options, lead).catch((error) => {
      if (turn !== this.turn) return;
      this.leading = false;
      if (error.name === "AbortError") this.follow(); // robbed
      else if (!this.closed) this.connection.open();
    });
  }

  lead() {
    this.leading = true;
    if (this.connection.closed) {
      this.said = null;
      this.connection.open();
    }
    this.repeat();
    return new Promise((release) => { this.release = release; });
  }

  // The browser may keep the page, asleep, and bring it back.
  leave() {
    this.here = this.leading = false;
    this.turn = null;
    this.waiting?.abort();
    this.connection.close();
    this.release?.();
  }

  say(said) {
    this.said = said;
    this.repeat();
    this.show(said);
  }

  repeat() {
    if (this.leading && this.said) this.channel.postMessage({ ...this.said, hidden: document.hidden });
  }

  hear(message) {
    if (message.hello) return this.repeat();
    if (this.leading || this.closed) return undefined;
    this.silent = 0;
    // Who was robbed keeps its stream until the new holder's is open: no moment without presence.
    if (message.state) this.connection.close();
    if (this.connection.closed) this.show(message);
    if (message.hidden && !document.hidden) this.takeOver();
    return undefined;
  }

  show({ state, at, lost }) {
    if (lost) return this.onLost();
    this.onBack();
    return this.onState(state, at);
  }

  look() {
    if (document.hidden) this.repeat(); // another window may be in view
    else this.takeOver();
  }

  pulse() {
    this.repeat();
    if (!this.leading && !document.hidden && (this.silent += 1) > SILENT_SIGNS) this.takeOver();
  }
}
