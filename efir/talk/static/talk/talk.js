// The room's talk. What others write comes with the room's stream, which room.js passes on as events of #room; what the
// viewer writes goes out by POST, and is shown at once.
import { serverNow } from "../js/clock.js";
import { retryDelay } from "../room/connection.js";
import { keepPlayerInSight } from "./keyboard.js";
import { Log } from "./log.js";
import { Memory } from "./memory.js";
import { Moderation } from "./moderation.js";
import { Outbox } from "./outbox.js";
import { Tabs } from "./tabs.js";

const TALKS = ["questions", "chat"];
const OPEN = ["scheduled", "live", "paused"];
const MAX_LENGTH = 500;
const STATE_AGE_MS = 1000; // the first state, and with it the server's time, may be as old as this
const NEAR_THE_END = 80; // characters left at which their number is shown
const MIN_MS = 1000;
const FIRST_MS = 3000;
const LONGEST_MS = 30000;
const $ = (id) => document.getElementById(id);
const room = $("room");
const talk = $("talk");
const form = $("talk-form");
const field = $("talk-text");
const token = room.querySelector("[name=csrfmiddlewaretoken]").value;
const moderation = talk.dataset.moderate && new Moderation(talk, token, { onChange: (message) => log.take([message]), onTold: say });
const log = new Log(talk, moderation, new Memory(`efir-own-${room.dataset.id}`, token));
const tabs = new Tabs($("talk-tabs"), (name) => showTab(name));
const outbox = new Outbox(new Memory(`efir-talk-${room.dataset.id}`, token), talk.dataset.messages, token, {
  onWaiting: (entry, why) => log.showPending(entry, why),
  onSent: (entry, message) => log.settle(entry, message),
  onRefused: refuse,
});
let mode = room.dataset.talk;
let failures = 0;
let loading = null; // the frames that came while the list was being read
let isLoaded = false;

function say(text, { isError = true } = {}) {
  if (!form) return;
  $("talk-says").textContent = text;
  $("talk-says").className = isError ? "error" : "hint";
}

// A new stream begins with the last messages. They are read by a tab that has no stream of its own, and if there are
// questions only: the viewer's own may be older. Frames that come meanwhile are newer, so they are applied after them.
async function load() {
  if (loading || !TALKS.includes(mode)) return;
  loading = [];
  const answer = await fetch(talk.dataset.messages, { headers: { Accept: "application/json" } }).catch(() => null);
  const messages = answer?.ok && !answer.redirected ? await answer.json().catch(() => null) : null;
  const frames = loading;
  loading = null;
  if (messages) {
    failures = 0;
    isLoaded = true;
    log.take(messages);
  } else {
    failures += 1;
    if (!answer || answer.status >= 500) setTimeout(load, retryDelay(failures, MIN_MS, FIRST_MS, LONGEST_MS));
  }
  for (const frame of frames) log.take(frame);
}

function take(messages) {
  if (loading) loading.push(messages);
  else log.take(messages);
}

function showState({ status, withdrawn, talk: now, leads }) {
  log.openedAt ??= serverNow() + STATE_AGE_MS;
  if (now !== mode) follow(now, leads);
  talk.hidden = !TALKS.includes(mode) || withdrawn || !OPEN.includes(status);
  $("to-talk").hidden = talk.hidden;
  if (!isLoaded && !talk.hidden && (!leads || mode === "questions")) load();
}

// The mode may change while people watch. From one talk to the other the messages stay. After a talk was off, the stream
// sends all of them again; a tab without a stream of its own reads them.
function follow(now, leads) {
  const talked = TALKS.includes(mode);
  if (!talked) log.clear();
  isLoaded = talked || leads;
  mode = now;
  place();
}

// The list of people is a tab of the talk, and stands below the player without one.
function place() {
  const talks = TALKS.includes(mode);
  // The page comes with the tab of its mode, and before the first state somebody may have chosen another one.
  const isOther = talk.dataset.mode !== mode;
  talk.dataset.mode = mode;
  if (mode === "questions" && tabs.chosen === "chat") tabs.choose("questions");
  if (mode === "chat" && isOther) tabs.choose("chat");
  if (talks) $("talk-people").append($("people"));
  else if ($("people").closest(".talk")) document.querySelector("#studio > .under > .about").before($("people"));
  for (const part of talk.querySelectorAll("[data-in]")) part.hidden = part.dataset.in !== mode;
}

function showTab(name) {
  const people = name === "people";
  $("talk-panel").hidden = people;
  $("talk-people").hidden = !people;
  $("people").open = people;
  $("talk-panel").setAttribute("aria-labelledby", `talk-tab-${name}`);
  if (!people) log.show(name);
}

function kindOf(submitter) {
  return submitter?.value ?? (mode === "questions" ? "question" : "message");
}

function send(event) {
  event.preventDefault();
  const text = field.value.trim();
  if (!text) return field.focus();
  const kind = kindOf(event.submitter);
  if ([...text].length > MAX_LENGTH) return say(talk.dataset.tooLong);
  say("");
  field.value = "";
  grow();
  outbox.send(text, kind);
  if (tabs.chosen === "people" || (tabs.chosen === "questions" && kind === "message")) tabs.choose("chat");
  return log.follow();
}

// The words go back to their author, with what to do.
function refuse(entry, why) {
  log.drop(entry);
  say(why || talk.dataset.failed);
  if (!field) return; // the words of an earlier login, and who has logged in now may only read
  field.value = [entry.text, field.value].filter(Boolean).join("\n"); // the next one may have been begun
  grow();
}

function grow() {
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight + 2}px`;
  const left = MAX_LENGTH - [...field.value].length;
  $("talk-left").textContent = left < NEAR_THE_END ? left : "";
}

form?.addEventListener("submit", send); // there is no form for people who may only read
field?.addEventListener("input", grow);
field?.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  form.requestSubmit();
});
// A press on a button leaves the keyboard of a phone open.
for (const button of form?.querySelectorAll("button") ?? []) button.addEventListener("mousedown", (event) => event.preventDefault());
room.addEventListener("room:state", ({ detail }) => showState(detail));
room.addEventListener("room:messages", ({ detail }) => take(detail));
room.addEventListener("room:back", () => outbox.retry());
if (form) keepPlayerInSight(form);
place();
outbox.start();
