// What every page does: the viewer's own time beside a webinar's, and the page for the time without a network is kept.
import { addOwnTimes } from "./own_time.js";

async function keepOfflinePage() {
  await navigator.serviceWorker.register("/offline.js").catch(() => {});
}

addOwnTimes();
if ("serviceWorker" in navigator) {
  // Not before the page itself has come.
  if (document.readyState === "complete") keepOfflinePage();
  else addEventListener("load", keepOfflinePage);
}
