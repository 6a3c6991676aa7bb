// The page that could not be reached opens by itself once it can be. A hall that lost its network together comes back
// spread over some seconds.
const LEAST_MS = 2000;
const SPAN_MS = 4000;

async function isBack() {
  const answer = await fetch("/offline.js", { cache: "no-store" }).catch(() => null);
  return Boolean(answer) && answer.status < 500;
}

async function tryAgain() {
  if (await isBack()) location.reload();
  else soon();
}

function soon() {
  setTimeout(tryAgain, LEAST_MS + Math.random() * SPAN_MS);
}

// Opened by its own address it is only a page to look at.
if (location.pathname !== "/offline/") {
  const says = document.getElementById("trying");
  says.textContent = says.dataset.text;
  addEventListener("online", () => setTimeout(tryAgain, Math.random() * LEAST_MS));
  soon();
}
