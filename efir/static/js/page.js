// Runs on every page: keeps the times true, adds the viewer's own, forgets at logout what the tab has remembered, and registers
// the worker that keeps the offline page.
import { startClock } from "./clock.js";
import { keepDaysTrue } from "./days.js";
import { addOwnTimes } from "./own_time.js";

async function keepOfflinePage() {
  await navigator.serviceWorker.register("/offline.js").catch(() => {});
}

// What this tab remembers (words that are still to be sent, the own messages) is not the next person's.
function forgetOnLogout({ target }) {
  if (target.getAttribute("action") !== "/logout/") return;
  try {
    sessionStorage.clear();
  } catch {
    // The storage is denied, so nothing is remembered.
  }
}

document.addEventListener("submit", forgetOnLogout);
startClock();
keepDaysTrue();
addOwnTimes();
if ("serviceWorker" in navigator) {
  // After the page has loaded, so as not to slow it down.
  if (document.readyState === "complete") keepOfflinePage();
  else addEventListener("load", keepOfflinePage);
}
