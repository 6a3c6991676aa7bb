// Refreshes the parts of the page that keep changing, from time to time.
import { addOwnTimes } from "../js/own_time.js";

const EVERY_MS = 20_000;

async function refresh() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const old of document.querySelectorAll("[data-fresh]")) {
    const next = fresh.getElementById(old.id);
    if (next && !old.contains(document.activeElement)) old.replaceWith(document.adoptNode(next));
  }
  addOwnTimes();
}

setInterval(() => {
  if (!document.hidden && document.querySelector("[data-fresh]")) refresh().catch(() => {}); // the next turn tries again
}, EVERY_MS);
