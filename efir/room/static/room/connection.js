// One event stream at a time. If it breaks, reconnect after a random delay with exponential backoff, so that a full room
// does not reconnect in the same second.
const LEAST_MS = 500;
const FIRST_MS = 3000;
const LONGEST_MS = 30000;
const ASK_AFTER = 3; // failures, before asking the API why
// After this long in the background a phone may have lost its connection without an error for minutes. Not sooner: a
// desktop keeps the connection, and viewers who switch tabs would reconnect for nothing.
const STALE_MS = 60000;

export class Connection {
  constructor(address, stateAddress, { onState, onLost, onBack }) {
    Object.assign(this, { address, stateAddress, onState, onLost, onBack });
    this.failures = 0;
    this.closed = true;
    window.addEventListener("online", () => this.renew());
    window.addEventListener("pageshow", (event) => { if (event.persisted) this.renew(); });
    document.addEventListener("resume", () => this.renew());
    document.addEventListener("visibilitychange", () => this.look());
  }

  open() {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.closed = false;
    this.source?.close();
    const source = this.source = new EventSource(this.address);
    source.addEventListener("state", (event) => {
      this.failures = 0;
      this.onBack();
      this.onState(JSON.parse(event.data));
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

  retryNow() {
    if (!this.closed && this.timer !== undefined) this.open();
  }

  renew() {
    if (!this.closed) this.open();
  }

  look() {
    if (document.hidden) this.hiddenAt = Date.now();
    else if (Date.now() - this.hiddenAt > STALE_MS) this.renew();
    else this.retryNow();
  }

  // EventSource does not report the status. If the viewer is logged out or the room is gone, the reloaded page says so.
  async ask() {
    const answer = await fetch(this.stateAddress).catch(() => null);
    if (answer && [401, 403, 404].includes(answer.status)) location.reload();
  }
}
