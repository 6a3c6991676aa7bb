// Runs on every page: keeps the times true, adds the viewer's own, and registers the worker that keeps the offline page.
import { startClock } from "./clock.js";
import { keepDaysTrue } from "./days.js";
import { addOwnTimes } from "./own_time.js";

async function keepOfflinePage() {
  await navigator.serviceWorker.register("/offline.js").catch(() => {});
}

startClock();
keepDaysTrue();
addOwnTimes();
if ("serviceWorker" in navigator) {
  // After the page has loaded, so as not to slow it down.
  if (document.readyState === "complete") keepOfflinePage();
  else addEventListener("load", keepOfflinePage);
}
