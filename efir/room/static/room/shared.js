// The tabs of one browser share one stream: over HTTP/1.1 a browser opens six connections to a host at most. The tab that
// holds the Web Lock has the stream and broadcasts its messages to the others. An open stream is presence, and browsers
// suspend hidden tabs: a tab that becomes visible steals the lock. While any tab plays the broadcast the stream counts as
// watching: a tab that plays holds a lock of its own, which goes with it even if it crashes, and timers, which browsers slow
// down, have no part in it.
import { Connection } from "./connection.js";

const SIGN_MS = 5000;
const SILENT_SIGNS = 4; // a leading tab that is silent for so many intervals is suspended

export class SharedStream {
  constructor(name, address, stateAddress, { onState, onMessages, onLost, onBack, onWatching }) {
    Object.assign(this, { name, onState, onMessages, onLost, onBack, onWatching });
    this.playing = false;
    this.awaited = new Set();
    this.connection = new Connection(address, stateAddress, {
      onState: (state) => this.say({ state, at: Date.now() }),
      onMessages: (messages, after) => this.pass(messages, after),
      onAlive: () => this.repeat(),
      onLost: () => this.say({ lost: true }),
      onBack,
    });
  }

  // Whether this tab has a stream of its own.
  get leads() {
    return !this.channel || Boolean(this.leading);
  }

  open() {
    // Web Locks need https (or localhost). Without them each tab has its own stream.
    if (!navigator.locks || !window.BroadcastChannel) return this.connection.open();
    this.channel = new BroadcastChannel(this.name);
    this.channel.addEventListener("message", ({ data }) => this.hear(data));
    document.addEventListener("visibilitychange", () => this.look());
    window.addEventListener("pagehide", () => this.leave());
    window.addEventListener("pageshow", (event) => { if (event.persisted) this.comeBack(); });
    setInterval(() => this.pulse(), SIGN_MS);
    return this.join();
  }

  // Called by every tab at the finish. The lock is not released, so that no other tab opens a stream again.
  close() {
    this.closed = true;
    this.waiting?.abort();
    this.connection.close();
  }

  // Called when this tab starts or stops playing the broadcast. Resolves once the other tabs can know.
  play(playing) {
    this.playing = playing;
    if (!this.channel) return this.connection.watch(playing);
    this.stopPlaying?.();
    this.stopPlaying = undefined;
    return playing ? this.holdPlaying() : undefined;
  }

  holdPlaying() {
    return new Promise((held) => {
      const hold = () => new Promise((release) => {
        this.stopPlaying = release;
        if (!this.playing) release();
        this.channel.postMessage({ plays: true });
        this.countPlaying();
        held();
      });
      navigator.locks.request(`${this.name}-plays-${crypto.randomUUID()}`, hold).catch(held);
    });
  }

  // The tab that has the stream asks who plays, and waits for the lock of each until it is free.
  async countPlaying() {
    const { held } = await navigator.locks.query().catch(() => ({ held: [] }));
    const names = held.map(({ name }) => name).filter((name) => name.startsWith(`${this.name}-plays-`));
    this.connection.watch(names.length > 0);
    this.onWatching(names.length > 0);
    for (const name of names.filter((each) => !this.awaited.has(each))) {
      this.awaited.add(name);
      navigator.locks.request(name, () => this.awaited.delete(name)).then(() => this.countPlaying(), () => {});
    }
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

  // Only the latest request counts: an aborted one may still be granted, and then releases the lock at once.
  request(options) {
    const turn = this.turn = {};
    const lead = () => (turn === this.turn && !this.closed ? this.lead() : undefined);
    navigator.locks.request(this.name, options, lead).catch((error) => {
      if (turn !== this.turn) return;
      this.leading = false;
      if (error.name === "AbortError") this.follow(); // another tab has stolen the lock
      else if (!this.closed) this.connection.open();
    });
  }

  lead() {
    this.leading = true;
    const released = new Promise((release) => { this.release = release; });
    this.stream();
    return released;
  }

  async stream() {
    // What this tab said when it had the stream before is old. The former holder, which asks at once, would take it for
    // the first state of the new stream, and close its own too early.
    if (this.connection.closed) this.said = null;
    await this.countPlaying();
    if (!this.leading || this.closed) return;
    if (this.connection.closed) this.connection.open();
    this.repeat();
  }

  // The browser may put the page into the back/forward cache and restore it.
  leave() {
    this.here = this.leading = false;
    this.turn = null;
    this.waiting?.abort();
    this.connection.close();
    this.release?.();
    this.stopPlaying?.();
  }

  comeBack() {
    this.join();
    if (this.playing) this.holdPlaying();
  }

  say(said) {
    this.said = said;
    this.repeat();
    this.show(said);
  }

  repeat() {
    if (this.leading && this.said) this.channel.postMessage({ ...this.said, hidden: document.hidden });
  }

  // Unlike a state, messages do not replace those before them: every tab gets each of them once from whoever has the stream.
  pass(messages, after) {
    this.channel?.postMessage({ messages, after });
    this.onMessages(messages);
  }

  hear(message) {
    if (message.hello) return this.repeat();
    if (message.messages) {
      this.connection.goOnAfter(message.after);
      return this.onMessages(message.messages);
    }
    if (message.plays) return this.connection.closed ? undefined : this.countPlaying();
    if (this.leading || this.closed) return undefined;
    this.silent = 0;
    // The former holder keeps its stream until the new one is open, so that presence has no gap.
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
    if (document.hidden) this.repeat(); // a tab in another window may be visible
    else this.takeOver();
  }

  pulse() {
    this.repeat();
    if (!this.leading && !document.hidden && (this.silent += 1) > SILENT_SIGNS) this.takeOver();
  }
}
