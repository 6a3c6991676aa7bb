// Keeps the control panel true: asks for the state, redraws what changed, asks before what cannot be undone.
import { clockText, serverNow, startClock } from "../js/clock.js";
import { addOwnTimes } from "../js/own_time.js";

const POLL_MS = 5000;
const HERE_EVERY = 12; // a minute: a webinar whose page nobody has open may be stopped as forgotten
const LOST_AFTER = 2; // one answer that did not come may be the next one's
const RECENT_EVERY = 3; // what is being sent is looked at less often than what is being counted

let turn = 0;
let missed = 0;

// Without the server the page shows what was true last, and no button is pressed into the void.
function sayLost() {
  document.getElementById("lost").hidden = missed < LOST_AFTER;
}

// How long until the announced start, how long since then, how long on air.
function tick() {
  for (const clock of document.querySelectorAll("[data-clock]")) {
    const ms = serverNow() - Date.parse(clock.dataset.clock);
    clock.hidden = false;
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
    if (!form.isConnected) document.body.append(form); // the panel was drawn anew meanwhile: the answer counts all the same
    form.submit();
  }, { once: true });
  dialog.showModal();
}

document.addEventListener("submit", (event) => {
  if (missed >= LOST_AFTER && event.target.method === "post") return event.preventDefault();
  const form = event.target.closest("form[data-confirm]");
  if (!form || typeof HTMLDialogElement === "undefined") return undefined;
  event.preventDefault();
  return confirmFirst(form);
});

// What is drawn anew has its folds open as they were, each known by its id.
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

// The same link, button, fold or box in what is drawn anew, for whoever was on it by keyboard.
function counterpart(focused, island, next) {
  const alike = (within) =>
    [...within.querySelectorAll(focused.tagName)].filter((other) => nameOf(other) === nameOf(focused));
  return alike(next)[alike(island).indexOf(focused)];
}

// Words half typed are not taken away from under anybody's hand, nor is what they are on and would not find again.
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
  fresh.querySelectorAll("noscript").forEach((without) => without.remove()); // a parsed page has no script: it is real there
  for (const island of document.querySelectorAll("[data-island]")) {
    const next = fresh.getElementById(island.id);
    const pressed = island.querySelector(":active"); // half pressed: drawn anew under the finger it would not count
    if (!next || pressed || (island.id !== "panel" && inUse(island, next))) continue;
    keepFolds(island, next);
    const focused = island.contains(document.activeElement) && counterpart(document.activeElement, island, next);
    island.replaceWith(document.adoptNode(next));
    if (focused) focused.focus({ preventScroll: true });
  }
  tick();
  addOwnTimes();
}

function sayHere(panel) {
  const token = panel.querySelector("[name=csrfmiddlewaretoken]");
  if (!token || document.hidden) return;
  const headers = { "X-CSRFToken": token.value, Accept: "application/json" };
  fetch(panel.dataset.here, { method: "POST", headers }).catch(() => {}); // the next minute says it again
}

async function poll() {
  const panel = document.getElementById("panel");
  try {
    const answer = await fetch(panel.dataset.state, { headers: { Accept: "application/json" } });
    missed = 0;
    sayLost();
    if (answer.ok) {
      const state = await answer.json();
      const changed = String(state.version) !== panel.dataset.version;
      if (turn % HERE_EVERY === 0) sayHere(panel);
      turn += 1;
      const sending = document.querySelector("[data-recent]") && turn % RECENT_EVERY === 0;
      if (changed || sending || document.querySelector("[data-busy]")) await redraw();
      const viewers = document.querySelector("[data-viewers]");
      if (viewers) viewers.textContent = state.viewers;
    }
  } catch {
    missed += 1; // the next turn asks again
    sayLost();
  }
  setTimeout(poll, POLL_MS);
}

startClock();
tick();
setInterval(tick, 1000);
addOwnTimes();
poll();
