// Plays HLS by its address: the browser itself where it can, else hls.js, which is fetched only then. A speaker who
// starts OBS late and a line that breaks are the same: it says so, and tries again after a random delay whose span
// doubles, so that a room full of viewers does not ask in the same second.
const KIND = "application/vnd.apple.mpegurl";
const LEAST_MS = 1000;
const FIRST_MS = 2000;
const LONGEST_MS = 15000;
const LOOK_MS = 1000;
const STUCK_MS = 12000;
const BEHIND_MS = 20000;
const JUST_NOW_MS = 1000;
// Unpacked in the page itself: a worker would need blob: scripts, and one stream is little work.
const OPTIONS = { enableWorker: false, liveDurationInfinity: true, liveSyncDurationCount: 3, liveMaxLatencyDurationCount: 8 };

export class Video {
  // `say` is called with "waiting", "broken", "blocked" or "unsupported", and with "" while it plays.
  constructor(address, title, say) {
    Object.assign(this, { address, say, failures: 0, wanted: true });
    const element = this.element = document.createElement("video");
    Object.assign(element, { controls: true, playsInline: true });
    element.setAttribute("aria-label", title);
    const on = {
      playing: () => this.playing(), play: () => this.resume(), pause: () => this.paused(), error: () => this.fail(),
      loadedmetadata: () => this.loaded(), ended: () => { this.over = true; this.fail(); },
    };
    for (const [name, act] of Object.entries(on)) element.addEventListener(name, () => { if (!this.removed) act(); });
    this.onHide = () => this.look();
    document.addEventListener("visibilitychange", this.onHide);
    this.looking = setInterval(() => this.look(), LOOK_MS);
    this.play(); // within the viewer's press, which some browsers ask for
    this.load();
  }

  async load() {
    this.stopTrying();
    this.note();
    const turn = this.turn = {};
    this.hls?.destroy();
    this.hls = undefined;
    if (this.element.canPlayType(KIND)) this.element.src = this.address;
    else {
      const Hls = await import("./vendor/hls.light.min.mjs").catch(() => null);
      if (turn !== this.turn) return;
      if (!Hls) this.fail();
      else if (Hls.isSupported()) this.attach(Hls);
      else this.say("unsupported");
    }
    if (!this.over) this.play();
  }

  attach({ default: Hls, Events }) {
    this.hls = new Hls(OPTIONS);
    this.hls.on(Events.ERROR, (_, { fatal }) => { if (fatal) this.fail(); });
    this.hls.loadSource(this.address);
    this.hls.attachMedia(this.element);
  }

  // A playlist that has ended is not played over and over: it is waited for the next.
  loaded() {
    if (this.over && Number.isFinite(this.element.duration)) return this.fail();
    this.over = false;
    return this.play();
  }

  play() {
    if (!this.wanted) return;
    this.element.play().catch((error) => { if (error.name === "NotAllowedError" && !this.removed) this.say("blocked"); });
  }

  playing() {
    this.played = true;
    this.failures = 0;
    this.stopTrying();
    this.say("");
  }

  // Who comes back from a pause comes back to what goes on now.
  resume() {
    const away = Date.now() - this.pausedAt;
    this.wanted = true;
    this.pausedAt = undefined;
    if (away > BEHIND_MS) this.load();
  }

  // A phone pauses what is hidden, some a moment before they say so: that was not the viewer's wish.
  paused() {
    this.pausedAt = Date.now();
    const { ended, error } = this.element;
    if (!document.hidden && !ended && !error) this.wanted = false;
  }

  fail() {
    if (this.timer !== undefined) return;
    this.failures += 1;
    this.say(this.played ? "broken" : "waiting");
    const span = Math.min(LONGEST_MS, FIRST_MS * 2 ** (this.failures - 1));
    this.timer = setTimeout(() => this.load(), LEAST_MS + Math.random() * span);
  }

  stopTrying() {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  note() {
    this.seen = { at: Date.now(), time: this.element.currentTime };
  }

  look() {
    if (document.hidden && Date.now() - this.pausedAt < JUST_NOW_MS) this.wanted = true;
    if (this.element.paused || this.element.currentTime !== this.seen.time) this.note();
    else if (Date.now() - this.seen.at > STUCK_MS) this.fail();
  }

  // The page is in view again, or the network is back.
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
