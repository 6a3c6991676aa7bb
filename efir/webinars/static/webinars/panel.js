// The live control panel: polls the state, re-fetches what changed, and asks before actions that cannot be undone.
import { clockText, serverNow, startClock } from "../js/clock.js";
import { addOwnTimes } from "../js/own_time.js";

const POLL_MS = 5000;
const HERE_EVERY = 12; // polls, a minute: the server stops a forgotten webinar, one whose page nobody has open
const LOST_AFTER = 2; // polls: a single lost response does not mean a lost connection
const RECENT_EVERY = 3; // polls: messages are sent more slowly than verdicts are made

let polls = 0;
let missed = 0;

// While the connection is lost, the page keeps its last state and the buttons do nothing.
function showLost() {
  document.getElementById("lost").hidden = missed < LOST_AFTER;
}

// Show the time until the announced start, since then, or on air.
function tick() {
  for (const clock of document.querySelectorAll("[data-clock]")) {
    const ms = serverNow() - Date.parse(clock.dataset.clock);
    clock.hidden = false;
    clock.ariaHidden = "true"; // a screen reader would read every second
    clock.querySelector("b").textContent = clockText(Math.abs(ms), clock.dataset.days);
    clock.querySelector("span").textContent = ms < 0 ? clock.dataset.before : clock.dataset.after;
  }
}

function confirmFirst(form) {
  const dialog = document.getElementById("confirm");
  dialog.querySelector("#confirm-text").textContent = form.dataset.confirm;
  dialog.querySelector("[data-yes]").textContent = form.dataset.yes;
  dialog.returnValue = "";
  dialog.addEventListener("close", () => {
    if (dialog.returnValue !== "yes") return;
    if (staysHere()) return send(form);
    if (!form.isConnected) document.body.append(form); // the panel was replaced meanwhile; the answer still counts
    form.submit();
  }, { once: true });
  dialog.showModal();
}

// The studio must not be left: its buttons are sent without loading another page, and show the messages of that page.
function staysHere() {
  return document.getElementById("panel").dataset.stay !== undefined;
}

async function send(form) {
  const answer = await fetch(form.action, { method: "POST", body: new FormData(form), headers: { Accept: "text/html" } }).catch(() => null);
  const page = answer && new DOMParser().parseFromString(await answer.text(), "text/html");
  document.getElementById("panel-says").replaceChildren(...page?.querySelectorAll(".notices > .notice") ?? []);
  await refresh();
}

document.addEventListener("submit", (event) => {
  if (missed >= LOST_AFTER && event.target.method === "post") return event.preventDefault();
  const form = event.target.closest("form[data-confirm]");
  if (!form || typeof HTMLDialogElement === "undefined") {
    if (event.target.method !== "post" || !staysHere() || !event.target.closest("#panel")) return undefined;
    event.preventDefault();
    return send(event.target);
  }
  event.preventDefault();
  return confirmFirst(form);
});

// Open the same folds, found by their ids, in the island's replacement.
function keepFolds(island, next) {
  for (const fold of island.querySelectorAll("details[id]")) {
    const again = next.querySelector(`#${CSS.escape(fold.id)}`);
    if (again) again.open = fold.open;
  }
}

function nameOf(element) {
  const form = element.closest("form");
  return [
    element.closest("details[id]")?.id, element.getAttribute("href"), element.getAttribute("aria-labelledby"),
    form?.getAttribute("action"), element.value,
  ].join(" ");
}

// Find the focused link, button, fold or field in the island's replacement, to keep the keyboard's place.
function counterpart(focused, island, next) {
  const alike = (within) =>
    [...within.querySelectorAll(focused.tagName)].filter((other) => nameOf(other) === nameOf(focused));
  return alike(next)[alike(island).indexOf(focused)];
}

// An island is in use if something is typed in it, or if the focused element has no counterpart to move to.
function inUse(island, next) {
  const focused = island.contains(document.activeElement) && document.activeElement;
  const typed = [...island.querySelectorAll("input, textarea")].some((field) => field.value !== field.defaultValue);
  return typed || (focused && (focused.matches("input, textarea") || !counterpart(focused, island, next)));
}

async function redraw() {
  const page = document.getElementById("panel").dataset.page + location.search;
  const answer = await fetch(page, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected || document.querySelector("dialog[open]")) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  fresh.querySelectorAll("noscript").forEach((without) => without.remove()); // a parsed document has no scripting, so it shows them
  for (const island of document.querySelectorAll("[data-island]")) {
    const next = fresh.getElementById(island.id);
    const pressed = island.querySelector(":active"); // a press is lost if its button is replaced meanwhile
    if (!next || pressed || (island.id !== "panel" && inUse(island, next))) continue;
    keepFolds(island, next);
    const focused = island.contains(document.activeElement) && counterpart(document.activeElement, island, next);
    island.replaceWith(document.adoptNode(next));
    if (focused) focused.focus({ preventScroll: true });
  }
  tick();
  addOwnTimes();
}

function reportHere(panel) {
  const token = panel.querySelector("[name=csrfmiddlewaretoken]");
  if (!token || document.hidden) return;
  const headers = { "X-CSRFToken": token.value, Accept: "application/json" };
  fetch(panel.dataset.here, { method: "POST", headers }).catch(() => {}); // it is reported again in a minute
}

// How many viewers report that they have no picture.
async function showWithoutPicture(panel) {
  const shown = document.querySelector("[data-without-picture]");
  if (!shown) return;
  const answer = await fetch(panel.dataset.playback, { headers: { Accept: "application/json" } });
  const { without_picture: count } = answer.ok ? await answer.json() : {};
  shown.textContent = count;
  shown.parentElement.hidden = !count;
}

async function refresh() {
  const panel = document.getElementById("panel");
  try {
    const answer = await fetch(panel.dataset.state, { headers: { Accept: "application/json" } });
    missed = 0;
    showLost();
    if (answer.ok) {
      const state = await answer.json();
      document.dispatchEvent(new CustomEvent("efir:state", { detail: state }));
      const changed = String(state.version) !== panel.dataset.version;
      if (polls % HERE_EVERY === 0) reportHere(panel);
      polls += 1;
      const sending = document.querySelector("[data-recent]") && polls % RECENT_EVERY === 0;
      if (changed || sending || document.querySelector("[data-busy]")) await redraw();
      const viewers = document.querySelector("[data-viewers]");
      if (viewers) viewers.textContent = state.viewers;
      await showWithoutPicture(document.getElementById("panel"));
    }
  } catch {
    missed += 1; // the next poll tries again
    showLost();
  }
}

async function poll() {
  await refresh();
  setTimeout(poll, POLL_MS);
}

startClock();
tick();
setInterval(tick, 1000);
addOwnTimes();
poll();
