// Plays an HLS playlist: natively if the browser can, else with hls.js, which is loaded only then. Whether the speaker
// starts OBS late or the connection breaks: it shows a message and retries after a random delay with exponential backoff,
// so that a full room does not retry in the same second.
import { retryDelay } from "./connection.js";

const KIND = "application/vnd.apple.mpegurl";
const MIN_MS = 1000;
const FIRST_MS = 2000;
const LONGEST_MS = 15000;
const CHECK_MS = 1000; // how often playback is checked
const STUCK_MS = 12000; // without progress for this long the video is loaded again: longer than two segments
const BEHIND_MS = 20000; // after a longer pause playback resumes at the live edge
const JUST_NOW_MS = 1000;
// No web worker: it would need blob: scripts, and remuxing one stream is little work.
const OPTIONS = { enableWorker: false, liveDurationInfinity: true, liveSyncDurationCount: 3, liveMaxLatencyDurationCount: 8 };
// The own broadcast has segments of a second, and two of them ahead are enough.
const OWN_OPTIONS = { ...OPTIONS, liveSyncDurationCount: 2 };
// A viewer who fell behind catches up: the library does so within one segment alone (maxLiveSyncPlaybackRate).
const CATCH_UP = [[2, 1.15], [0.75, 1.1], [0.25, 1.05]]; // seconds too late, rate: the pitch is kept
const MIN_AHEAD_S = 1; // in the buffer
const FIRST_LATE_S = 1; // before anything was heard, nothing is lost by a jump
const NO_CODEC = "bufferAddCodecError"; // of hls.js: the browser has MediaSource, but no H.264 or AAC
const OWN_LONGEST_MS = 4000; // its playlist is asked for every second anyway
const STANDS_MS = 4000; // without progress for this long the viewer is told; a shorter time would report every short stall

export class Video {
  // Calls `say` with "waiting", "broken", "muted", "blocked" or "unsupported", and with "" while the video plays.
  constructor({ address, isOwn }, title, say, element = document.createElement("video")) {
    // `waits`: the speaker sends nothing, so there is nothing to be loaded again.
    Object.assign(this, { address, isOwn, say, element, failures: 0, wanted: true, waits: false });
    Object.assign(element, { controls: true, playsInline: true });
    element.setAttribute("aria-label", title);
    const on = {
      playing: () => this.playing(), play: () => this.resume(), pause: () => this.paused(), error: () => this.fail(),
      loadedmetadata: () => this.loaded(), volumechange: () => this.heard(), ended: () => { this.over = true; this.fail(); },
    };
    for (const [name, act] of Object.entries(on)) element.addEventListener(name, () => { if (!this.removed) act(); });
    this.onHide = () => this.look();
    document.addEventListener("visibilitychange", this.onHide);
    this.looking = setInterval(() => this.look(), CHECK_MS);
    this.load();
  }

  async load() {
    this.stopTrying();
    this.note();
    const turn = this.turn = {};
    this.begun = false;
    this.hls?.destroy();
    this.hls = undefined;
    if (this.isNative) this.element.src = this.address;
    else {
      const Hls = await import("./vendor/hls.light.min.mjs").catch(() => null);
      if (turn !== this.turn) return;
      if (!Hls) this.fail();
      else if (Hls.isSupported()) this.attach(Hls);
      else this.say("unsupported");
    }
    if (!this.over) this.play();
  }

  // The library stays closer to the live edge than browsers do; an iPhone, which has no MediaSource, keeps playing the sound
  // while it is locked.
  get isNative() {
    return Boolean(this.element.canPlayType(KIND)) && !(this.isOwn && window.MediaSource);
  }

  attach({ default: Hls, Events }) {
    this.hls = new Hls(this.isOwn ? OWN_OPTIONS : OPTIONS);
    this.hls.on(Events.ERROR, (_, { fatal, details }) => {
      if (fatal && details === NO_CODEC) this.say("unsupported");
      else if (fatal) this.fail();
    });
    this.hls.loadSource(this.address);
    this.hls.attachMedia(this.element);
  }

  // A playlist that has ended is not played again: wait for the next one.
  loaded() {
    if (this.over && Number.isFinite(this.element.duration)) return this.fail();
    this.over = false;
    return this.play();
  }

  play() {
    if (!this.wanted) return;
    this.element.play().catch((error) => { if (error.name === "NotAllowedError" && !this.removed) this.playMuted(); });
  }

  // A page that was reloaded may play, but not be heard, until the viewer presses something.
  playMuted() {
    if (this.element.muted) return this.say("blocked");
    this.element.muted = this.silenced = true;
    return this.play();
  }

  // By the button of the page, or by the player's own.
  heard() {
    if (!this.silenced || this.element.muted) return;
    this.silenced = false;
    this.say("");
  }

  unmute() {
    this.element.muted = false;
    this.element.play().catch(() => {});
  }

  playing() {
    this.played = true;
    if (this.lateS > FIRST_LATE_S && !this.begun && this.hls.liveSyncPosition) {
      this.element.currentTime = this.hls.liveSyncPosition;
    }
    this.begun = true;
    this.failures = 0;
    this.stopTrying();
    this.say(this.silenced ? "muted" : "");
  }

  // After a long pause resume at the live edge.
  resume() {
    const away = Date.now() - this.pausedAt;
    this.wanted = true;
    this.pausedAt = undefined;
    if (away > BEHIND_MS) this.load();
  }

  // Phones pause a hidden video, some of them a moment before the page becomes hidden: the viewer did not want that.
  paused() {
    this.pausedAt = Date.now();
    const { ended, error } = this.element;
    if (!document.hidden && !ended && !error) this.wanted = false;
  }

  fail() {
    if (this.timer !== undefined) return;
    this.failures += 1;
    this.say(this.played ? "broken" : "waiting");
    this.timer = setTimeout(() => this.load(), retryDelay(this.failures, MIN_MS, FIRST_MS, this.isOwn ? OWN_LONGEST_MS : LONGEST_MS));
  }

  stopTrying() {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  note() {
    const { currentTime: time } = this.element;
    if (this.seen && time > this.seen.time && Date.now() - this.seen.at > STANDS_MS) this.playing(); // it went on by itself
    this.seen = { at: Date.now(), time };
  }

  look() {
    if (document.hidden && Date.now() - this.pausedAt < JUST_NOW_MS) this.wanted = true;
    this.catchUp();
    const still = Date.now() - this.seen.at;
    if (this.element.paused || this.element.currentTime !== this.seen.time) this.note();
    else if (still > STUCK_MS && !this.waits) this.fail();
    else if (still > (this.waits ? CHECK_MS : STANDS_MS)) this.say(this.played ? "broken" : "waiting");
  }

  // How far the picture is behind its target; 0 if the browser plays natively.
  get lateS() {
    return this.isOwn && this.hls?.targetLatency ? this.hls.latency - this.hls.targetLatency : 0;
  }

  catchUp() {
    if (!this.isOwn || !this.hls) return;
    const { buffered, currentTime } = this.element;
    const ahead = buffered.length ? buffered.end(buffered.length - 1) - currentTime : 0;
    const [, rate] = CATCH_UP.find(([late]) => this.lateS > late && ahead > MIN_AHEAD_S) ?? [0, 1];
    if (this.element.playbackRate !== rate) this.element.playbackRate = rate;
  }

  // The server reports that the picture is back.
  signalled(spreadMs) {
    if (this.timer === undefined) return;
    this.stopTrying();
    this.timer = setTimeout(() => this.load(), Math.random() * spreadMs);
  }

  // Called if the page is visible again, or the network is back.
  wake() {
    const asleep = Date.now() - this.seen.at > BEHIND_MS;
    if (this.timer !== undefined || (this.wanted && (this.element.paused || asleep))) this.load();
  }

  remove() {
    this.removed = true;
    this.turn = null;
    this.stopTrying();
    clearInterval(this.looking);
    document.removeEventListener("visibilitychange", this.onHide);
    this.hls?.destroy();
    this.element.pause();
    this.element.removeAttribute("src");
    this.element.load();
    this.element.remove();
  }
}
