// Messages that the viewer has written and the server has not accepted yet. Each entry keeps the id that the page made for it, so that
// sending it again after a lost connection or a reload does not write it twice.
import { retryDelay } from "../room/connection.js";

const MIN_MS = 500;
const FIRST_MS = 2000;
const LONGEST_MS = 30000;
const MOST = 20; // entries that a reload keeps

export class Outbox {
  // Calls `onWaiting` with an entry and why it waits ("sending", "busy", "lost"), `onSent` with it and the message that it has
  // become, `onRefused` with it and what to do.
  constructor(memory, address, token, { onWaiting, onSent, onRefused }) {
    Object.assign(this, { memory, address, token, onWaiting, onSent, onRefused, failures: 0, isSending: false });
    [this.entries, this.foreign] = memory.read();
    window.addEventListener("online", () => this.retry());
  }

  // What was written before the last login may be another person's: only a new press sends it.
  start() {
    for (const entry of this.foreign.reverse()) this.onRefused(entry); // each goes before the words that are there
    if (this.foreign.length) this.remember();
    for (const entry of this.entries) this.onWaiting(entry, "lost");
    this.flush();
  }

  send(text, kind) {
    const entry = { client_id: uuid(), text, kind };
    this.entries.push(entry);
    this.remember();
    this.onWaiting(entry, "sending");
    this.flush();
  }

  // Called if the connection is back. If the room was busy the connection was not lost, and all would retry at the same moment.
  retry() {
    if (this.timer === undefined || this.isBusy) return;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.flush();
  }

  // One after the other, in the order in which they were written.
  async flush() {
    if (this.isSending || this.timer !== undefined) return;
    this.isSending = true;
    while (this.entries.length && (await this.post(this.entries[0])));
    this.isSending = false;
  }

  // Return whether the entry is done with.
  async post(entry) {
    const headers = { "X-CSRFToken": this.token, Accept: "application/json" };
    const body = new URLSearchParams(entry);
    const answer = await fetch(this.address, { method: "POST", headers, body }).catch(() => null);
    const told = answer && !answer.redirected ? await answer.json().catch(() => null) : null;
    if (answer?.ok && told) return this.done(() => this.onSent(entry, told));
    if (answer?.status === 401) return location.reload();
    if (!answer || answer.status >= 500) return this.wait(entry, "lost");
    if (told?.error === "talk_busy") return this.wait(entry, "busy");
    return this.done(() => this.onRefused(entry, told?.detail));
  }

  done(tell) {
    this.entries.shift();
    this.remember();
    this.failures = 0;
    tell();
    return true;
  }

  wait(entry, why) {
    this.failures += 1;
    this.isBusy = why === "busy";
    this.onWaiting(entry, why);
    const again = () => {
      this.timer = undefined;
      this.flush();
    };
    this.timer = setTimeout(again, retryDelay(this.failures, MIN_MS, FIRST_MS, LONGEST_MS));
    return false;
  }

  remember() {
    this.memory.write(this.entries.slice(-MOST));
  }
}

// crypto.randomUUID needs https (or localhost).
function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
