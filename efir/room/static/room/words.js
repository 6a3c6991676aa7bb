// The texts about the webinar may change while viewers wait: it is moved or renamed. Then the page is fetched again and
// its texts are replaced. The server has it in memory, and a full room is spread over several seconds.
export const PER_VIEWER_MS = 1;
const AGAIN_MS = 3000; // another process may cache an older page for two seconds
const LONGEST_MS = 60000;
const PART = "[data-words-part]";

export class Words {
  // Calls `onFresh` with the fetched page after its texts are shown.
  constructor(room, onFresh) {
    Object.assign(this, { address: room.dataset.page, wanted: room.dataset.words, onFresh });
    this.served = new Map(parts(document).map((part) => [part.dataset.wordsPart, part.innerHTML]));
  }

  // `wanted` is the hash of the current texts, from the event stream.
  follow(wanted, viewers) {
    if (wanted === this.wanted) return;
    this.wanted = wanted;
    this.readSoon(viewers);
  }

  readSoon(viewers) {
    this.span = viewers * PER_VIEWER_MS;
    this.failures = 0;
    this.later(Math.random() * this.span);
  }

  // Exponential backoff while the server does not return the new page.
  again() {
    this.failures += 1;
    const span = Math.max(AGAIN_MS, this.span) * 2 ** (this.failures - 1);
    this.later(AGAIN_MS + Math.random() * Math.min(LONGEST_MS, span));
  }

  later(ms) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.read(), ms);
  }

  async read() {
    const answer = await fetch(this.address).catch(() => null);
    const text = answer?.ok && !answer.redirected ? await answer.text().catch(() => "") : "";
    const page = new DOMParser().parseFromString(text, "text/html");
    if (page.getElementById("room")?.dataset.words === this.wanted) this.show(page);
    else this.again();
  }

  show(page) {
    const fresh = new Map(parts(page).map((part) => [part.dataset.wordsPart, part]));
    for (const part of parts(document)) {
      const name = part.dataset.wordsPart;
      const html = fresh.get(name)?.innerHTML;
      if (html === undefined || html === this.served.get(name)) continue;
      this.served.set(name, html);
      part.replaceChildren(...fresh.get(name).childNodes);
    }
    this.onFresh(page);
  }
}

function parts(page) {
  return [...page.querySelectorAll(PART)];
}
