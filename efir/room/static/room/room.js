// The room: shows what the stream says. The server has rendered the state of the moment already.
import { clockText, serverNow, setServerTime } from "../js/clock.js";
import { startCountdowns } from "../js/countdown.js";
import { addOwnTimes } from "../js/own_time.js";
import { Connection } from "./connection.js";
import { Stage } from "./stage.js";

const $ = (id) => document.getElementById(id);
const room = $("room");
const stage = new Stage();
let screen = room.dataset.screen;
let version = Number(room.dataset.version);
let startedAt = room.dataset.started;
let sawLive = false; // who was here while it was live is thanked

function screenOf(state) {
  if (state.status === "scheduled" && state.withdrawn) return "withdrawn";
  return state.status === "draft" ? "scheduled" : state.status;
}

function say(text) {
  $("says").textContent = text ?? "";
}

function announce(before, now) {
  if (now === "finished") return say($("thanks").textContent);
  const word = before === "paused" && now === "live" ? "Resumed" : now[0].toUpperCase() + now.slice(1);
  return say(room.dataset[`say${word}`]);
}

function show(now) {
  if (now === "archived") return location.reload();
  for (const part of document.querySelectorAll("[data-for]")) {
    part.hidden = !part.dataset.for.split(" ").includes(now);
  }
  if (now === screen) return undefined;
  if (now === "finished" && sawLive) $("thanks").textContent = $("thanks").dataset.thanks;
  announce(screen, now);
  screen = now;
  if (now === "finished") $("thanks").focus();
  return undefined;
}

function showCta(visible) {
  const shown = visible && (screen === "live" || screen === "paused");
  if (shown && $("cta").hidden) say(room.dataset.sayCta);
  $("cta").hidden = !shown;
}

function apply(state) {
  if (state.version < version) return;
  version = state.version;
  sawLive ||= state.status === "live";
  setServerTime(state.server_time, Date.now());
  startedAt = state.started_at ?? "";
  $("viewers").textContent = state.viewers;
  if ($("countdown") && state.starts_at) $("countdown").dataset.countdown = state.starts_at;
  tick();
  show(screenOf(state));
  showCta(state.cta_visible);
  stage.show(state);
  if (state.status === "finished") connection.close();
}

function tick() {
  $("elapsed").textContent = startedAt ? clockText(serverNow() - Date.parse(startedAt), "") : "";
}

async function listPeople() {
  if (!$("people").open) return;
  const answer = await fetch(room.dataset.people, { headers: { Accept: "application/json" } }).catch(() => null);
  if (!answer?.ok || answer.redirected) return;
  const { people, total } = await answer.json();
  const rows = people.map(({ name, role }) => row(name, role));
  if (total > people.length) rows.push(row(`${$("people-list").dataset.more} ${total - people.length}`, ""));
  $("people-list").replaceChildren(...rows);
}

function row(name, role) {
  const item = document.createElement("li");
  const badge = document.createElement("span");
  badge.className = "muted";
  badge.textContent = role;
  item.append(name, " ", badge);
  return item;
}

const connection = new Connection(room.dataset.stream, room.dataset.state, {
  onState: apply,
  onLost: () => { $("lost").hidden = false; },
  onBack: () => { $("lost").hidden = true; },
});

setServerTime(room.dataset.serverTime);
startCountdowns();
addOwnTimes();
tick();
setInterval(tick, 1000);
setInterval(listPeople, 15000);
$("people").addEventListener("toggle", listPeople);
if (screen !== "finished") connection.open();
