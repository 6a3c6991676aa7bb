// Runs on every page: adds the viewer's own times, and registers the worker that keeps the offline page.
import { addOwnTimes } from "./own_time.js";

async function keepOfflinePage() {
  await navigator.serviceWorker.register("/offline.js").catch(() => {});
}

addOwnTimes();
if ("serviceWorker" in navigator) {
  // After the page has loaded, so as not to slow it down.
  if (document.readyState === "complete") keepOfflinePage();
  else addEventListener("load", keepOfflinePage);
}
