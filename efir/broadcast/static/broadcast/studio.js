// The studio: camera or screen and microphone go on air from this page. What the viewers see starts and ends with the webinar,
// which the control panel (panel.js) does; the signal itself changes no status.
import { Level } from "./level.js";
import { LineWatch, QUALITIES, isNarrow, lowerThan } from "./quality.js";
import { Recorder, recordedType } from "./recorder.js";
import { Sender } from "./sender.js";
import { Sources, canShareScreen } from "./sources.js";

const AGAIN_MS = 2000;
const $ = (id) => document.getElementById(id);
const studio = $("studio");
const words = studio.dataset;
const type = recordedType();
const sources = new Sources(words.compositor, lost);
const level = new Level($("level"), (silent) => trouble("silent", silent && !sources.muted));
const line = new LineWatch();
const recorder = type && new Recorder(type, (blob, first) => sender.add(blob, first), () => setTimeout(record, AGAIN_MS));
const sender = new Sender(words.broadcast, studio.querySelector("[name=csrfmiddlewaretoken]").value, words.name, {
  state: show, container: record,
});
let quality = Number($("quality").value);
let status = words.status;
let ended = false;
let seen = true; // whether viewers have the picture, as far as the server knows
const rate = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 1, minimumFractionDigits: 1 });

const onAir = () => status === "live" || status === "paused";
const isOver = () => status === "finished" || status === "archived";

// Troubles are written in the page; each is shown while it lasts.
function trouble(name, shown = true) {
  const note = studio.querySelector(`[data-trouble="${name}"]`);
  if (note.hidden === shown) note.hidden = !shown;
}

function deviceTrouble(device, error) {
  trouble(`${device}-denied`, error?.name === "NotAllowedError");
  trouble(`${device}-missing`, Boolean(error) && error.name !== "NotAllowedError");
}

async function tryDevice(device, open) {
  try {
    await open();
    deviceTrouble(device, null);
    return true;
  } catch (error) {
    deviceTrouble(device, error);
    return false;
  }
}

const openCamera = () => tryDevice("camera", () => sources.openCamera(QUALITIES[quality], $("camera").value));
const openMicrophone = () => tryDevice("microphone", () => sources.openMicrophone($("microphone").value));

async function begin() {
  $("begin-button").disabled = $("begin-screen").disabled = true;
  const [picture] = [await openCamera(), await openMicrophone()];
  if (picture) await goOn();
  $("begin-button").disabled = false;
  $("begin-screen").disabled = !canShareScreen;
}

async function beginWithScreen() {
  if (!await tryDevice("screen", () => sources.openScreen(QUALITIES[quality]))) return;
  await openMicrophone();
  await goOn();
}

async function goOn() {
  await listDevices();
  draw();
  await connect(false);
}

// Show what is sent, and the controls as they are.
function draw() {
  const { video } = sources;
  const shown = $("picture").srcObject?.getVideoTracks()[0];
  if (video && shown !== video) $("picture").srcObject = new MediaStream([video]);
  $("begin").hidden = Boolean(video);
  $("controls").hidden = !video;
  $("use-camera").setAttribute("aria-pressed", String(!sources.showsScreen));
  $("use-screen").setAttribute("aria-pressed", String(sources.showsScreen));
  $("corner").hidden = !sources.showsScreen || sources.hasCorner || !sources.camera;
  $("mute").setAttribute("aria-pressed", String(!sources.muted));
  $("mute").textContent = sources.muted ? $("mute").dataset.off : $("mute").dataset.on;
  level.follow(sources.microphone);
}

async function connect(takeOver) {
  if (!type || isOver() || words.video !== "own") return;
  const refusal = await sender.open(type, takeOver);
  for (const name of ["broadcast_no_space", "broadcast_over", "login", "failed"]) trouble(name, refusal === name);
  if (refusal === "broadcast_taken") return askToTake();
  if (refusal === "failed") setTimeout(() => connect(takeOver), AGAIN_MS);
  if (!refusal) await record();
  return undefined;
}

function askToTake() {
  const dialog = $("taken");
  dialog.returnValue = "";
  dialog.addEventListener("close", () => {
    if (dialog.returnValue === "yes") connect(true);
    else show("taken");
  }, { once: true });
  dialog.showModal();
}

// A new container: another source, another quality, or the old one is no longer usable.
async function record() {
  if (sender.state !== "open" || sources.video?.readyState !== "live") return;
  line.restart();
  await recorder.start([sources.video, sources.audio], QUALITIES[quality].kbps);
}

function show(state) {
  for (const name of ["superseded", "over", "refused"]) trouble(name, state === name);
  $("take-back").hidden = state !== "superseded" && state !== "taken";
  if (state !== "open" && state !== "opening") recorder?.stop();
  watchLine();
}

function lost(name) {
  if (name === "screen") return useCamera(); // "stop sharing" of the browser's own bar
  trouble(`${name}-lost`);
  return undefined;
}

async function useCamera() {
  sources.closeScreen();
  if (sources.camera?.readyState !== "live") await openCamera();
  draw();
  await record();
}

async function useScreen() {
  if (!await tryDevice("screen", () => sources.openScreen(QUALITIES[quality]))) return;
  draw();
  await record();
}

async function changeCamera() {
  if (!await openCamera()) return;
  trouble("camera-lost", false);
  if (sources.showsScreen) sources.compose(QUALITIES[quality]);
  draw();
  await record();
}

async function changeMicrophone() {
  if (!await openMicrophone()) return;
  trouble("microphone-lost", false);
  draw();
  await record();
}

async function changeQuality(height) {
  quality = height;
  $("quality").value = String(height);
  await sources.resize(QUALITIES[height]);
  draw();
  await record();
}

async function listDevices() {
  const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
  for (const [id, kind, track] of [["camera", "videoinput", sources.camera], ["microphone", "audioinput", sources.microphone]]) {
    const list = $(id);
    const options = devices.filter((device) => device.kind === kind && device.deviceId)
      .map(({ deviceId, label }, index) => new Option(label || `${list.dataset.nameless} ${index + 1}`, deviceId));
    list.replaceChildren(...options);
    list.value = track?.getSettings().deviceId ?? "";
    list.closest(".field").hidden = options.length < 2;
  }
}

// A device was lost, or has been plugged in.
async function devicesChanged() {
  if (!sources.video) return;
  if (sources.camera?.readyState === "ended") await changeCamera();
  if (sources.microphone?.readyState !== "live") await changeMicrophone();
  await listDevices();
}

function watchLine() {
  const { kbps, busy } = sender.rates();
  const signal = $("signal");
  const state = sender.hasSignal ? "on" : sender.isLost ? "lost" : sender.state === "open" ? "waits" : "off";
  signal.dataset.state = state;
  const { height } = sources.video?.getSettings() ?? {};
  const text = state === "on"
    ? signal.dataset.on.replace("{height}", height ?? quality).replace("{rate}", rate.format(kbps / 1000))
    : signal.dataset[state];
  if (signal.textContent !== text) signal.textContent = text;
  const meaning = $("meaning");
  const told = state !== "on" ? "" : !onAir() ? meaning.dataset.before : seen ? meaning.dataset.live : meaning.dataset.soon;
  if (meaning.textContent !== told) meaning.textContent = told;
  trouble("line-lost", state === "lost");
  trouble("login", Boolean(sender.needsLogin) && state === "lost");
  trouble("narrow", state === "on" && !onAir() && isNarrow(busy) && quality > 480);
  if (sender.state === "open" && line.isTooSlow(sender.waitingS, sender.isLost)) goDown();
}

function goDown() {
  const lower = lowerThan(quality);
  trouble("too-slow", !lower);
  if (!lower) return line.restart();
  $("went-down").hidden = false;
  $("went-down").textContent = $("went-down").dataset.text.replace("{from}", quality).replace("{to}", lower);
  return changeQuality(lower);
}

// From the control panel, which asks the server every five seconds.
function follow(state) {
  status = state.status;
  seen = state.signal ?? true;
  if (isOver() && !ended) end();
  watchLine();
}

// The webinar is over: what was recorded is sent, then the devices are released.
async function end() {
  ended = true;
  trouble("over");
  await recorder?.stop();
  if (sender.state === "open") sender.finish();
  sources.close();
  $("picture").srcObject = null;
  draw();
  $("begin-button").disabled = $("begin-screen").disabled = true;
}

document.addEventListener("efir:state", ({ detail }) => follow(detail));
// Ask before the page is left while on air.
addEventListener("beforeunload", (event) => { if (onAir() && sender.state === "open") event.preventDefault(); });
navigator.mediaDevices?.addEventListener("devicechange", devicesChanged);
$("begin-button").addEventListener("click", begin);
$("begin-screen").addEventListener("click", beginWithScreen);
$("use-camera").addEventListener("click", useCamera);
$("use-screen").addEventListener("click", useScreen);
$("take-back").addEventListener("click", () => connect(true));
$("camera").addEventListener("change", changeCamera);
$("microphone").addEventListener("change", changeMicrophone);
$("quality").addEventListener("change", () => {
  $("went-down").hidden = true;
  changeQuality(Number($("quality").value));
});
$("mute").addEventListener("click", () => {
  sources.mute(!sources.muted);
  draw();
});

// A sleeping phone sends nothing. The browser releases the wake lock whenever the page is hidden.
async function stayAwake() {
  if (!document.hidden && sources.video) await navigator.wakeLock?.request("screen").catch(() => {});
}
document.addEventListener("visibilitychange", stayAwake);
$("picture").addEventListener("playing", stayAwake);

trouble("insecure", !window.isSecureContext);
trouble("browser", window.isSecureContext && !type);
$("begin-button").disabled = !type || !navigator.mediaDevices || isOver();
$("begin-screen").hidden = !canShareScreen;
$("begin-screen").disabled = !type || isOver();
$("use-screen").disabled = !canShareScreen;
setInterval(watchLine, 1000);
watchLine();
if (type && sender.wasSending && !isOver()) begin(); // the page was reloaded while it sent
