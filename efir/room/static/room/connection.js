// One event stream at a time. If it breaks or falls silent, reconnect after a random delay with exponential backoff, so
// that a full room does not reconnect in the same second.
const LEAST_MS = 500;
const FIRST_MS = 3000;
const LONGEST_MS = 30000;
const ASK_AFTER = 3; // failures, before asking the API why
// The server sends a keep-alive every 15 s. A router or proxy may drop a connection without closing it: the browser reports
// nothing, and only the silence tells. Two keep-alives may be late.
const SILENT_MS = 40000;
// A new stream begins with the state at once. The browser may have asked for it over an older connection of its own that
// was lost in the same way; the next attempt takes another one.
const UNANSWERED_MS = 15000;
// A page that is shown again, or wakes with the device, does not wait that long.
const STALE_MS = 20000;
const LOOK_MS = 5000; // how often the silence is checked
const ASLEEP_MS = 15000; // checked later than this: the device or the page slept

// Measures time with two clocks and takes the longer one: performance.now() may stand still while the device sleeps, and
// Date.now() may be set back.
class Stopwatch {
  restart() {
    this.from = [performance.now(), Date.now()];
  }

  elapsed() {
    const [ticks, wall] = this.from;
    return Math.max(performance.now() - ticks, Date.now() - wall);
  }
}

export class Connection {
  // Calls `onState` with each state, `onAlive` with each keep-alive, `onLost` if the connection is lost, and `onBack` with
  // the first state after that.
  constructor(address, stateAddress, { onState, onAlive, onLost, onBack }) {
    Object.assign(this, { address, stateAddress, onState, onAlive, onLost, onBack });
    this.failures = 0;
    this.closed = true;
    this.heard = new Stopwatch();
    this.looked = new Stopwatch();
    this.looked.restart();
    setInterval(() => this.look(), LOOK_MS);
    window.addEventListener("online", () => this.renew());
    window.addEventListener("pageshow", (event) => { if (event.persisted) this.renew(); });
    document.addEventListener("resume", () => this.renew());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.wake(); });
  }

  open() {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.closed = false;
    this.source?.close();
    this.answered = false;
    this.heard.restart();
    const source = this.source = new EventSource(this.address);
    source.addEventListener("state", (event) => {
      this.heard.restart();
      this.answered = true;
      this.failures = 0;
      this.onBack();
      this.onState(JSON.parse(event.data));
    });
    source.addEventListener("keep-alive", () => {
      this.heard.restart();
      this.onAlive();
    });
    source.addEventListener("error", () => { if (source === this.source) this.lost(); });
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.failures = 0;
    this.source?.close();
    this.onBack();
  }

  lost() {
    this.source.close();
    if (this.closed) return;
    this.failures += 1;
    this.onLost();
    if (this.failures >= ASK_AFTER) this.ask();
    const span = Math.min(LONGEST_MS, FIRST_MS * 2 ** (this.failures - 1));
    this.timer = setTimeout(() => this.open(), LEAST_MS + Math.random() * span);
  }

  renew() {
    if (!this.closed) this.open();
  }

  // Connect at once if the connection is lost, or may be.
  wake() {
    if (this.timer !== undefined || this.heard.elapsed() > STALE_MS) this.renew();
  }

  look() {
    const asleep = this.looked.elapsed() > ASLEEP_MS;
    this.looked.restart();
    if (this.closed) return;
    const most = this.answered ? SILENT_MS : UNANSWERED_MS;
    if (asleep) this.wake();
    else if (this.timer === undefined && this.heard.elapsed() > most) this.lost();
  }

  // EventSource does not report the status. If the viewer is logged out or the room is gone, the reloaded page says so.
  async ask() {
    const answer = await fetch(this.stateAddress).catch(() => null);
    if (answer && [401, 403, 404].includes(answer.status)) location.reload();
  }
}
