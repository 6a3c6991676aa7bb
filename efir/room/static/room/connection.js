// One event stream at a time. If it breaks or falls silent, reconnect after a random delay with exponential backoff, so
// that a full room does not reconnect in the same second.
const MIN_MS = 500;
const FIRST_MS = 3000;
const LONGEST_MS = 30000;
const ASK_AFTER = 3; // failures, before asking the API why
// The server sends a keep-alive every 15 s. A router or proxy may drop a connection without closing it: the browser reports
// nothing, and only the silence shows it. Two keep-alives may be late.
const SILENT_MS = 40000;
// A new stream begins with the state at once. The browser may have asked for it over an older connection of its own that
// was lost in the same way; the next attempt takes another one.
const UNANSWERED_MS = 15000;
// A page that is shown again, or wakes with the device, does not wait that long.
const STALE_MS = 20000;
const CHECK_MS = 5000; // how often the silence is checked
const ASLEEP_MS = 15000; // checked later than this: the device or the page slept

// A random delay before the next attempt, which may be twice as long after each further failure.
export function retryDelay(failures, least, first, longest) {
  return least + Math.random() * Math.min(longest, first * 2 ** (failures - 1));
}

// Measures time with two clocks and takes the longer one: performance.now() may stop while the device sleeps, and
// Date.now() may be set back.
class Stopwatch {
  constructor() {
    this.restart();
  }

  restart() {
    this.from = [performance.now(), Date.now()];
  }

  elapsed() {
    const [ticks, wall] = this.from;
    return Math.max(performance.now() - ticks, Date.now() - wall);
  }
}

// `source` is the stream in use, `next` one that is being opened. It replaces `source` when it answers, so that presence has
// no gap.
export class Connection {
  // Calls `onState` with each state, `onMessages` with what was written, `onAlive` with each keep-alive, `onLost` if the
  // connection is lost, and `onBack` with the first state after that.
  constructor(address, stateAddress, { onState, onMessages, onAlive, onLost, onBack }) {
    Object.assign(this, { address, stateAddress, onState, onMessages, onAlive, onLost, onBack });
    this.after = 0; // the id of the last frame of messages: a new stream goes on after it
    this.failures = 0;
    this.closed = true;
    this.watching = false;
    this.heard = new Stopwatch();
    this.asked = new Stopwatch();
    this.looked = new Stopwatch();
    setInterval(() => this.look(), CHECK_MS);
    window.addEventListener("online", () => this.renew());
    window.addEventListener("pageshow", (event) => { if (event.persisted) this.renew(); });
    document.addEventListener("resume", () => this.renew());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.wake(); });
  }

  open() {
    this.closed = false;
    this.drop();
    this.heard.restart();
    this.connect();
  }

  close() {
    this.closed = true;
    this.drop();
    this.failures = 0;
    this.onBack();
  }

  // Whether the stream counts as watching. The server reads it when a stream opens.
  watch(watching) {
    if (watching === this.watching) return;
    this.watching = watching;
    if (!this.closed) this.connect();
  }

  drop() {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.source?.close();
    this.next?.close();
    this.source = this.next = undefined;
  }

  connect() {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.next?.close();
    this.asked.restart();
    const source = this.next = new EventSource(this.address + this.query());
    source.addEventListener("state", (event) => {
      if (source === this.next) this.replace();
      this.heard.restart();
      this.failures = 0;
      this.onBack();
      this.onState(JSON.parse(event.data));
    });
    source.addEventListener("messages", (event) => {
      this.heard.restart();
      this.goOnAfter(event.lastEventId);
      this.onMessages(JSON.parse(event.data), this.after);
    });
    source.addEventListener("keep-alive", () => {
      this.heard.restart();
      this.onAlive();
    });
    source.addEventListener("error", () => this.lost(source));
  }

  query() {
    const query = new URLSearchParams();
    if (this.watching) query.set("watching", "1");
    if (this.after) query.set("after", this.after);
    return query.size ? `?${query}` : "";
  }

  goOnAfter(id) {
    this.after = Math.max(this.after, Number(id) || 0);
  }

  replace() {
    this.source?.close();
    this.source = this.next;
    this.next = undefined;
  }

  lost(source) {
    source.close();
    if (source === this.next) this.next = undefined;
    else if (source === this.source) this.source = undefined;
    else return;
    if (this.next) return;
    this.failures += 1;
    if (this.failures >= ASK_AFTER) {
      this.ask();
      // The next stream may be refused because this one is open.
      this.source?.close();
      this.source = undefined;
    }
    if (!this.source) this.onLost();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.connect(), retryDelay(this.failures, MIN_MS, FIRST_MS, LONGEST_MS));
  }

  renew() {
    if (!this.closed) this.open();
  }

  // Connect at once if the connection is lost, or may be.
  wake() {
    if (this.closed) return;
    const silence = this.heard.elapsed();
    if (silence > SILENT_MS) this.onLost(); // what the page shows is old until the stream answers
    if (silence > STALE_MS || this.timer !== undefined) this.open();
  }

  look() {
    const asleep = this.looked.elapsed() > ASLEEP_MS;
    this.looked.restart();
    if (this.closed) return;
    if (asleep) this.wake();
    else if (this.next && this.asked.elapsed() > UNANSWERED_MS) this.lost(this.next);
    else if (this.source && this.heard.elapsed() > SILENT_MS) this.lost(this.source);
  }

  // EventSource does not report the status. If the viewer is logged out or the room is gone, the reloaded page says so.
  async ask() {
    const answer = await fetch(this.stateAddress).catch(() => null);
    if (answer && [401, 403, 404].includes(answer.status)) location.reload();
  }
}
