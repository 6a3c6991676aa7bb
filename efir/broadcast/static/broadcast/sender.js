// Sends the recorder's chunks as ordinary requests, in order. The server has stored a chunk when it answers 204. While the connection is
// lost, the chunks wait in the queue; they are sent in order when it is back.
import { ChunkQueue } from "./chunk_queue.js";

const TIMEOUT_MS = 20000;
const RETRY_MS = [500, 1000, 2000, 4000];
const RATE_MS = 5000; // the span over which the rate is measured
const LOST_MS = 3000; // chunks that wait for longer while requests fail: the connection is lost
const SLOW_MS = 8000; // a request that takes longer counts as failed on the page
// Waiting chunks are sent together, but in requests that a slow connection (100 kbit/s) completes within the time limit.
const MAX_BYTES = 256 * 1024;
// Shortly before the queue is full, new containers begin, so that the oldest can be dropped. Not sooner: the server cannot
// know when a container that arrives late as a whole was recorded.
const NEARLY_FULL_MS = 40000;
const CONTAINER_MS = 10000;
// A container that the server could not read on (its process was stuck, the machine slept) is followed by another, so many
// times within a minute; after that the server refuses this recorder.
const MAX_BROKEN = 3;
const BROKEN_MS = 60000;
const ASKING = 999999999; // no session has so many chunks: the server answers which number it expects

export class Sender {
  // `on.state(state)`: "closed", "opening", "open", "superseded", "over", "refused", "login"; `on.container()` asks for a new
  // container.
  constructor(address, token, name, on) {
    Object.assign(this, { address, name, on, state: "closed", queue: new ChunkQueue(), next: 0, confirmed: [], broken: [] });
    this.headers = { "X-CSRFToken": token, Accept: "application/json" };
    addEventListener("online", () => this.wake?.());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.wake?.(); });
    document.addEventListener("resume", () => this.wake?.());
  }

  // Opens a session; returns "" or the code of the refusal.
  async open(mime, takeOver) {
    this.become("opening");
    const answer = await fetch(this.address, {
      method: "POST", headers: { ...this.headers, "Content-Type": "application/json" },
      body: JSON.stringify({ mime, take_over: takeOver }),
    }).catch(() => null);
    const body = await answer?.json().catch(() => null);
    if (answer?.status !== 201 || !body) {
      this.become("closed");
      if (answer?.status === 401 || answer?.status === 403) return "login";
      return body?.error ?? "failed";
    }
    Object.assign(this, { url: body.chunk_url, maxBytes: body.max_chunk_bytes, next: 0, confirmed: [], broken: [], awaitsContainer: false });
    this.openedAt = this.answeredAt = performance.now();
    this.queue.clear();
    this.remember(true);
    this.become("open");
    this.run();
    return "";
  }

  add(blob, first) {
    if (this.state !== "open") return;
    this.awaitsContainer &&= !first;
    if (this.awaitsContainer) return; // the end of a container that is no longer needed
    this.queue.add(blob, first);
    if (first) this.containerAt = performance.now();
    if (this.isLost && this.queue.waitingMs > NEARLY_FULL_MS && performance.now() - this.containerAt > CONTAINER_MS) {
      this.containerAt = performance.now();
      this.on.container();
    }
    this.wake?.();
  }

  async run() {
    const turn = this.turn = {};
    let failures = 0;
    while (turn === this.turn && this.state === "open") {
      if (this.queue.dropped && !await this.renumber()) {
        await this.sleep(RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]);
        continue;
      }
      const batch = this.queue.take(Math.min(this.maxBytes, MAX_BYTES));
      if (!batch) {
        if (this.ending) return this.end();
        await this.sleep();
        continue;
      }
      const began = performance.now();
      const answer = await this.put(this.url, this.next, batch.body);
      if (turn !== this.turn || this.state !== "open") return undefined;
      if (batch !== this.queue.batch) continue; // the queue was full, and dropped it
      this.isFailing = !await this.take(answer, batch, began);
      if (!this.isFailing) failures = 0;
      else await this.sleep(RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]);
    }
    return undefined;
  }

  // Returns whether to go on at once.
  async take(answer, batch, began) {
    const now = performance.now();
    if (answer?.status === 204) {
      this.queue.confirm();
      this.next += 1;
      this.answeredAt = now;
      this.needsLogin = false;
      this.confirmed.push({ at: now, size: batch.size, ms: now - began });
      return true;
    }
    if (answer?.status === 409) {
      const { expected } = await answer.json().catch(() => ({}));
      // The server asks for a chunk that it has confirmed before, and that is gone: go on with the next container.
      if (expected < this.next) this.beginAnew();
      this.next = expected ?? this.next;
      return Number.isInteger(expected);
    }
    if (answer?.status === 410) {
      const { error } = await answer.json().catch(() => ({}));
      this.close(error === "broadcast_over" ? "over" : "superseded");
      return true;
    }
    if (answer?.status === 413 || answer?.status === 422) {
      this.broken = [...this.broken.filter((at) => now - at < BROKEN_MS), now];
      if (answer.status === 422 && !batch.first && this.broken.length < MAX_BROKEN) this.beginAnew();
      else this.close("refused");
      return true;
    }
    this.needsLogin = answer?.status === 401 || answer?.status === 403;
    return false;
  }

  // Drops the rest of the container, and asks for another.
  beginAnew() {
    this.queue.dropContainer();
    if (this.queue.chunks.length) return; // it has begun already
    this.awaitsContainer = true;
    this.on.container();
  }

  async renumber() {
    const answer = await this.put(this.url, ASKING, new Blob(["?"]));
    if (answer?.status === 410) await this.take(answer);
    if (answer?.status !== 409) return false;
    const { expected } = await answer.json().catch(() => ({}));
    if (!Number.isInteger(expected)) return false;
    this.next = expected;
    this.queue.dropped = false;
    return true;
  }

  put(url, number, body) {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    return fetch(`${url}${number}`, { method: "PUT", headers: this.headers, body, signal }).catch(() => null);
  }

  sleep(ms = 60000) {
    return new Promise((done) => {
      const timer = setTimeout(done, ms);
      this.wake = () => { clearTimeout(timer); done(); };
    });
  }

  // Sends the remaining chunks, then ends the session.
  finish() {
    this.ending = true;
    this.wake?.();
  }

  async end() {
    const { url } = this;
    this.ending = false;
    this.close("closed");
    await fetch(`${url}end`, { method: "POST", headers: this.headers, keepalive: true }).catch(() => null);
  }

  close(state) {
    this.turn = null;
    this.queue.clear();
    this.remember(false);
    this.become(state);
    this.wake?.();
  }

  become(state) {
    this.state = state;
    this.on.state(state);
  }

  // Whether chunks are being confirmed.
  get hasSignal() {
    return this.state === "open" && this.next > 0 && !this.isLost;
  }

  get isLost() {
    const silentMs = this.isFailing ? LOST_MS : SLOW_MS;
    return this.state === "open" && performance.now() - this.answeredAt > silentMs && this.queue.waitingMs > LOST_MS;
  }

  get waitingS() {
    return this.queue.waitingMs / 1000;
  }

  // The confirmed rate over the last seconds in kbit/s, and the share of the time that requests took.
  rates() {
    const now = performance.now();
    this.confirmed = this.confirmed.filter(({ at }) => now - at < RATE_MS);
    const bits = this.confirmed.reduce((sum, { size }) => sum + size * 8, 0);
    const busy = this.confirmed.reduce((sum, { ms }) => sum + ms, 0);
    const span = Math.max(1000, Math.min(RATE_MS, now - this.openedAt));
    return { kbps: bits / span, busy: busy / span };
  }

  // Whether this tab was sending before it was reloaded.
  get wasSending() {
    try {
      return sessionStorage.getItem(this.name) !== null;
    } catch {
      return false;
    }
  }

  remember(sending) {
    try {
      if (sending) sessionStorage.setItem(this.name, "sending");
      else sessionStorage.removeItem(this.name);
    } catch {
      // After a reload the camera is switched on by hand.
    }
  }
}
