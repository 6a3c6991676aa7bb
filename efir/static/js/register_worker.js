// What is shown without a network is fetched once the page itself has come.
async function register() {
  await navigator.serviceWorker.register("/offline.js").catch(() => {});
}

if ("serviceWorker" in navigator) {
  if (document.readyState === "complete") register();
  else addEventListener("load", register);
}
