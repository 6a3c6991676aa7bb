// The list of messages. New ones appear below; they do not scroll the list away from somebody who reads above, but show their number.
import { messageElement } from "./message.js";

const AT_THE_END_PX = 48;
const MOST = 200; // older ones leave the page
const QUIET_MS = 1000; // screen readers take notice of a change within some tenths of a second
const $ = (id) => document.getElementById(id);

export class Log {
  constructor(talk, moderation, memory) {
    Object.assign(this, { talk, moderation, memory, shown: new Map(), pending: new Map(), unseen: 0, held: [] });
    [this.box, this.list, this.newer, this.pauser] = ["talk-log", "talk-list", "talk-newer", "talk-pause"].map($);
    this.list.replaceChildren(); // what the server has rendered is for pages without this script
    this.own = new Set(memory.read()[0]); // messages do not say whose they are
    this.newer.addEventListener("click", () => this.follow());
    this.pauser.addEventListener("click", () => this.pause(this.pauser.ariaPressed !== "true"));
    this.box.addEventListener("scroll", () => {
      this.isFollowing = this.isAtEnd;
      if (this.isFollowing) this.seen();
    });
    this.pauser.hidden = false;
    // The list is as high as what is left beside the player, and keeps its end in sight when that changes.
    new ResizeObserver(() => { if (this.isFollowing) this.toEnd(); }).observe(this.box);
    this.isFollowing = true;
    this.toEnd();
  }

  get isAtEnd() {
    return this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < AT_THE_END_PX;
  }

  clear() {
    this.list.replaceChildren(...[...this.pending.values()]);
    this.shown.clear();
    [this.held, this.unseen] = [[], 0];
  }

  // Messages new or changed; while paused, new ones wait, and changes of known ones do not.
  take(messages) {
    const isPaused = this.pauser.ariaPressed === "true";
    const now = isPaused ? messages.filter(({ id }) => this.shown.has(id)) : messages;
    if (isPaused) this.held.push(...messages.filter(({ id }) => !this.shown.has(id)));
    if (now.some(({ id, at }) => !this.shown.has(id) && Date.parse(at) < this.openedAt)) this.quieten();
    this.keepPlace(() => now.forEach((message) => this.put(message)));
    this.tell();
  }

  // Screen readers read what is written from now on, not everything that was written before the page was opened.
  quieten() {
    this.box.ariaLive = "off";
    clearTimeout(this.quiet);
    this.quiet = setTimeout(() => this.speak(), QUIET_MS);
  }

  speak() {
    this.box.ariaLive = this.pauser.ariaPressed === "true" ? "off" : "polite";
  }

  put(message) {
    const known = this.shown.get(message.id);
    const element = this.element(message);
    if (known && element?.isEqualNode(known)) return; // sent again on another stream: screen readers would read it again
    if (!element) {
      known?.remove();
      this.shown.delete(message.id);
    } else if (known) known.replaceWith(element);
    else this.insert(element, message);
    if (element) this.shown.set(message.id, element);
    this.pin(message);
  }

  element(message) {
    const own = this.own.has(message.id);
    if (message.state === "hidden" && !message.original) return null;
    return messageElement(message, this.talk.dataset, { own, menu: this.moderation?.menu(message) });
  }

  insert(element, message) {
    if (!this.own.has(message.id)) this.dropTwin(message);
    // A held message that is shown comes later than those that were written after it.
    const before = [...this.list.children].findLast(({ dataset }) => dataset.id && Number(dataset.id) < message.id);
    if (before) before.after(element);
    else this.list.prepend(element);
    if (!this.isFollowing && !this.own.has(message.id)) this.unseen += 1;
  }

  // The stream may be faster than the answer to the viewer's own POST.
  dropTwin({ text, kind }) {
    for (const [key, element] of this.pending) {
      if (element.dataset.text === text && element.dataset.kind === kind) return this.remove(key);
    }
    return undefined;
  }

  pin(message) {
    const pinned = $("talk-pinned");
    const isShown = message.pinned && message.state === "shown";
    if (isShown) {
      pinned.dataset.id = message.id;
      pinned.replaceChildren(messageElement(message, this.talk.dataset, {}, "div"));
    } else if (pinned.dataset.id === String(message.id)) {
      pinned.replaceChildren();
      delete pinned.dataset.id;
    }
    pinned.parentElement.hidden = !pinned.childElementCount;
  }

  showPending(entry, why) {
    this.keepPlace(() => {
      const message = { ...entry, state: "pending", why, author: { name: this.talk.dataset.you, badge: "" } };
      const element = messageElement(message, this.talk.dataset, { own: true });
      Object.assign(element.dataset, { text: entry.text, kind: entry.kind });
      const known = this.pending.get(entry.client_id);
      if (known) known.replaceWith(element);
      else this.list.append(element);
      this.pending.set(entry.client_id, element);
    });
    this.tell();
  }

  settle(entry, message) {
    this.keepPlace(() => {
      this.remove(entry.client_id);
      this.own.add(message.id);
      this.memory.write([...this.own].slice(-MOST));
      this.put(message);
    });
  }

  drop(entry) {
    this.keepPlace(() => this.remove(entry.client_id));
    this.tell();
  }

  remove(key) {
    this.pending.get(key)?.remove();
    this.pending.delete(key);
  }

  // Change the list without moving what is read: at the end it stays at the end, elsewhere the first visible row stays.
  keepPlace(change) {
    const top = this.box.getBoundingClientRect().top;
    const rows = this.isFollowing ? [] : [...this.list.children];
    const places = rows.map((row) => [row, row.getBoundingClientRect().top]).filter(([, at]) => at >= top);
    change();
    if (this.isFollowing) {
      this.trim();
      return this.toEnd();
    }
    const row = places.find(([each]) => each.isConnected);
    if (row) this.box.scrollTop += row[0].getBoundingClientRect().top - row[1];
    return undefined;
  }

  trim() {
    const ids = [...this.shown.keys()].sort((one, other) => one - other);
    for (const id of ids.slice(0, Math.max(0, ids.length - MOST))) {
      this.shown.get(id).remove();
      this.shown.delete(id);
    }
  }

  toEnd() {
    this.box.scrollTop = this.box.scrollHeight;
  }

  follow() {
    if (this.pauser.ariaPressed === "true") this.pause(false);
    this.seen();
    this.toEnd();
  }

  seen() {
    this.isFollowing = true;
    this.unseen = 0;
    this.tell();
  }

  pause(paused) {
    this.pauser.ariaPressed = String(paused);
    this.speak();
    const held = this.held.splice(0);
    if (!paused) this.take(held);
    this.tell();
  }

  // Only questions, or everything.
  show(name) {
    this.talk.dataset.show = name;
    this.follow();
  }

  tell() {
    const waiting = this.unseen + this.held.length;
    this.newer.hidden = !waiting;
    this.newer.textContent = this.newer.dataset.text.replace("{count}", waiting);
    $("talk-empty").hidden = this.list.childElementCount > 0;
  }
}
