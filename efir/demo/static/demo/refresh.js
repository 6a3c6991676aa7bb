// Shows new messages as they come, without losing the place on the page.
const EVERY_MS = 2000;

async function refresh() {
  const chats = document.getElementById("chats");
  if (!chats || document.hidden || chats.contains(document.activeElement)) return;
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("chats");
  if (fresh) chats.replaceWith(fresh);
}

setInterval(() => refresh().catch(() => {}), EVERY_MS);
