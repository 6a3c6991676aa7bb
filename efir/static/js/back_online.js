// Reloads the page that could not be reached once the server answers. The random delay spreads out many viewers who lost
// their network at the same moment.
const MIN_DELAY_MS = 2000;
const EXTRA_DELAY_MS = 4000;

async function isBack() {
  const answer = await fetch("/offline.js", { cache: "no-store" }).catch(() => null);
  return Boolean(answer) && answer.status < 500;
}

async function tryAgain() {
  if (await isBack()) location.reload();
  else soon();
}

function soon() {
  setTimeout(tryAgain, MIN_DELAY_MS + Math.random() * EXTRA_DELAY_MS);
}

// Opened under its own URL, there is no page to return to.
if (location.pathname !== "/offline/") {
  const says = document.getElementById("trying");
  says.textContent = says.dataset.text;
  addEventListener("online", () => setTimeout(tryAgain, Math.random() * MIN_DELAY_MS));
  soon();
}
