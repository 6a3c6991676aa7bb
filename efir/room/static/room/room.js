// The room: shows the state from the event stream. The server has rendered the current state into the page.
import { clockText, serverNow, setServerTime, startClock } from "../js/clock.js";
import { startCountdowns } from "../js/countdown.js";
import { keepFresh } from "../js/fresh.js";
import { addOwnTimes } from "../js/own_time.js";
import { startPeople } from "./people.js";
import { SharedStream } from "./shared.js";
import { startSoundTest } from "./sound.js";
import { Stage } from "./stage.js";
import { Words } from "./words.js";

// As in state.py: above this the count is rounded down, so the viewer is not subtracted from it.
const EXACT_UP_TO = 200;
const $ = (id) => document.getElementById(id);
const room = $("room");
const stage = new Stage(room, `efir-stage-${room.dataset.id}`, (playing) => stream.play(playing));
const words = new Words(room, showWords);
let title = document.title;
let screen = room.dataset.screen;
let version = Number(room.dataset.version);
let startedAt = room.dataset.started;
let startsAt = $("countdown")?.dataset.countdown;
let sawLive = false; // whether to thank the viewer at the end

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
  $("stage").classList.toggle("just-started", screen === "scheduled" && now === "live");
  announce(screen, now);
  screen = now;
  showTitle();
  if (now === "finished") $("thanks").focus();
  return undefined;
}

// The title tells viewers who are in another tab that the webinar is live.
function showTitle() {
  document.title = document.hidden && screen === "live" ? `● LIVE · ${title}` : title;
}

function showWords(page) {
  const moved = $("countdown")?.dataset.countdown !== startsAt;
  startsAt = $("countdown")?.dataset.countdown;
  title = page.title;
  showTitle();
  addOwnTimes();
  if (moved && screen === "scheduled") say(room.dataset.sayMoved.replace("{when}", $("when").textContent));
}

// Screen readers ignore the ticking countdown and announce once that it is over.
function sayThatItIsTime() {
  const countdown = $("countdown");
  if (!countdown?.classList.contains("over")) return countdown?.setAttribute("aria-hidden", "true");
  if (countdown.hasAttribute("aria-hidden") && screen === "scheduled") say(countdown.textContent);
  return countdown.removeAttribute("aria-hidden");
}

function showViewers(count) {
  $("viewers").textContent = count;
  const others = count > EXACT_UP_TO ? count : count - 1;
  const line = $("with-you");
  line.textContent = others > 0 ? line.dataset.text.replace("{count}", others) : line.dataset.alone;
}

// Without a connection the number of viewers is not known.
function showLost() {
  tell("lost");
  $("lost").hidden = false;
  $("viewers").textContent = "—";
  $("with-you").textContent = "";
}

function showCta(visible) {
  const shown = visible && (screen === "live" || screen === "paused");
  if (shown && $("cta").hidden) say(room.dataset.sayCta);
  $("cta").hidden = !shown;
}

// Other scripts, such as the talk, listen to these events.
function tell(what, detail) {
  room.dispatchEvent(new CustomEvent(`room:${what}`, { detail }));
}

function apply(state, receivedAt) {
  if (state.version < version) return;
  version = state.version;
  sawLive ||= state.status === "live";
  setServerTime(state.server_time, receivedAt);
  startedAt = state.started_at ?? "";
  showViewers(state.viewers);
  words.follow(state.words, state.viewers);
  show(screenOf(state));
  tick();
  showCta(state.cta_visible);
  stage.show(state);
  tell("state", { ...state, leads: stream.leads });
  if (state.status === "finished") leave(state.viewers);
}

// The next webinar may have changed since the page was rendered. Spread over a longer time: now the page costs a query
// per viewer.
function leave(viewers) {
  stream.close();
  words.readSoon(viewers * 5);
  keepEndingFresh();
}

// The finished room names the webinar that is next, or on air now, and has the recording once it is published: also on a
// page that stays open for a day.
function keepEndingFresh() {
  keepFresh(room.dataset.page, (page) => { if (page.getElementById("room")) words.show(page); });
}

function tick() {
  // The elapsed time is hidden in a pause, which is not time on air.
  $("elapsed").textContent = startedAt && screen === "live" ? clockText(serverNow() - Date.parse(startedAt), "") : "";
  sayThatItIsTime();
}

const stream = new SharedStream(`efir-room-${room.dataset.id}`, room.dataset.stream, room.dataset.state, {
  onState: apply,
  onMessages: (messages) => tell("messages", messages),
  onLost: showLost,
  onBack: () => { $("lost").hidden = true; tell("back"); },
  onWatching: (watching) => stage.showWatching(watching),
});

startClock();
startCountdowns();
addOwnTimes();
tick();
setInterval(tick, 1000);
startSoundTest();
document.addEventListener("visibilitychange", showTitle);
startPeople(room.dataset.people);
if (screen === "finished") keepEndingFresh();
else stream.open();
stage.resume();
