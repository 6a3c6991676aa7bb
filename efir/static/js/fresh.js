// Fetches the page again from time to time, and when it is shown again: left open for a day, it would be out of
// date.
const EVERY_MS = 5 * 60 * 1000;
const SPREAD_MS = 60 * 1000; // many viewers opened the page at the same moment
const STALE_MS = 60 * 1000; // shown again after less than this, the page stays as it is

// Calls `onFresh` with each fetched document.
export function keepFresh(address, onFresh) {
  let timer;
  let readAt = Date.now();

  async function read() {
    readAt = Date.now();
    soon();
    const answer = await fetch(address).catch(() => null);
    if (!answer?.ok || answer.redirected) return;
    const text = await answer.text().catch(() => "");
    if (text) onFresh(new DOMParser().parseFromString(text, "text/html"));
  }

  function soon() {
    clearTimeout(timer);
    timer = setTimeout(read, EVERY_MS + Math.random() * SPREAD_MS);
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && Math.abs(Date.now() - readAt) > STALE_MS) read();
  });
  soon();
}
