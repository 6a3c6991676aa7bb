// The player and the chat. The server returns them when a viewer opens the broadcast, which counts as watching. A
// foreign iframe does not report that autoplay was refused, so the viewer's own click mounts it; a page that is reloaded
// while watching goes on. The finish removes it together with its sound. Of several tabs of one browser, only the last one
// entered plays.
import { retryDelay } from "./connection.js";
import { NoPicture } from "./no_picture.js";
import { Video } from "./video.js";
import { PER_VIEWER_MS } from "./words.js";

const MIN_MS = 1000;
const FIRST_MS = 3000;
const LONGEST_MS = 30000;
// Protected video (Kinescope, VK) needs encrypted-media. The page may delegate a feature that its Permissions-Policy does
// not mention, but not one that the policy denies.
const ALLOW = "autoplay; fullscreen; encrypted-media; picture-in-picture";
// Buttons, and the playlists that they choose in place of `live.m3u8`.
const CHOICES = { "small-picture": "low", "sound-only": "audio" };
const $ = (id) => document.getElementById(id);

// `status` and `version` of the player are known from the page until the stream has told the state.
export class Stage {
  // Calls `onPlaying` with whether this tab plays; the promise that it returns is awaited before other tabs stop.
  constructor(room, name, onPlaying) {
    Object.assign(this, { room, name, onPlaying, status: room.dataset.status, version: room.dataset.player, talk: room.dataset.talk });
    this.token = room.querySelector("[name=csrfmiddlewaretoken]").value;
    this.entered = this.playing = false;
    this.quality = remembered(`${name}-quality`) ?? "live";
    this.low = this.quality === "low"; // as before a reload, until the stream has told the state
    this.signal = true;
    this.failures = 0;
    this.channel = window.BroadcastChannel && new BroadcastChannel(name);
    this.channel?.addEventListener("message", ({ data }) => (data === "entered" ? this.giveWay() : this.hint("here")));
    // A page that is closed or kept in the back/forward cache stops playing; restored from the cache, it plays again.
    window.addEventListener("pagehide", () => this.playing && this.channel?.postMessage("left"));
    window.addEventListener("pageshow", ({ persisted }) => persisted && this.playing && this.channel?.postMessage("entered"));
    $("enter-button").disabled = false; // disabled in the HTML: without this script it would do nothing
    $("enter-button").addEventListener("click", () => this.enter());
    this.noPicture = new NoPicture(room.dataset.playback, this.token, () => this.again());
    $("unmute").addEventListener("click", () => this.video?.unmute());
    for (const [id, quality] of Object.entries(CHOICES)) {
      $(id).addEventListener("click", () => this.choose(this.quality === quality ? "live" : quality));
      $(`no-picture-${id}`).addEventListener("click", () => this.choose(quality));
    }
    for (const event of ["online", "pageshow"]) window.addEventListener(event, () => this.video?.wake());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.video?.wake(); });
    window.addEventListener("blur", () => { $("resumed").hidden = true; }); // a press on the player, among others
  }

  get onAir() {
    return this.status === "live" || this.status === "paused";
  }

  enter() {
    // Safari plays a video with sound only if it was loaded in the handler of a click, and the answer comes later.
    this.element = document.createElement("video");
    this.element.load();
    this.entered = true;
    this.failures = 0;
    this.hint("opening");
    this.ask();
  }

  // The page was reloaded while it was watching.
  resume() {
    if (!remembered(this.name)) return;
    if (!this.onAir) return remember(this.name);
    this.entered = this.resumed = true;
    this.hint("opening");
    this.ask();
  }

  async ask() {
    clearTimeout(this.timer);
    const version = this.asked = this.version;
    const headers = { "X-CSRFToken": this.token, Accept: "application/json" };
    const answer = await fetch(this.room.dataset.watch, { method: "POST", headers }).catch(() => null);
    const player = answer?.ok && !answer.redirected ? await answer.json().catch(() => null) : null;
    if (version !== this.asked || !this.entered) return undefined;
    if (!player) return this.refused(answer?.status);
    this.failures = 0;
    this.player = player;
    remember(this.name, "watching");
    return this.draw();
  }

  // Logged out, or the room is gone: the reloaded page says so, and must not ask again by itself.
  refused(status) {
    if ([401, 403, 404].includes(status)) {
      remember(this.name);
      return location.reload();
    }
    this.hint(status === 409 ? "closed" : "failed");
    this.failures += 1;
    return this.askIn(retryDelay(this.failures, MIN_MS, FIRST_MS, LONGEST_MS));
  }

  askIn(ms) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), ms);
  }

  leave() {
    clearTimeout(this.timer);
    this.entered = false;
    this.asked = this.player = undefined;
    remember(this.name);
  }

  giveWay() {
    this.hint("elsewhere");
    if (!this.entered) return;
    this.leave();
    this.draw();
  }

  hint(word) {
    $("enter-hint").textContent = $("enter-hint").dataset[word];
    // A person who watches in another tab does watch; and on a phone there is no space beside a longer hint.
    if ($("counts")) $("counts").hidden = word !== "here" && word !== "opening";
  }

  // Whether a tab of this browser plays, as the tab that has the stream knows.
  showWatching(watching) {
    if (!this.entered) this.hint(watching ? "elsewhere" : "here");
  }

  show(state) {
    this.status = state.status;
    this.version = state.player_version;
    if (state.signal && !this.signal) this.video?.signalled(state.viewers * PER_VIEWER_MS);
    this.signal = state.signal;
    if (this.video) this.video.waits = this.waitsForSpeaker;
    this.talk = state.talk;
    this.low = Boolean(state.low); // absent if the operator allows no smaller picture
    if (this.entered && !this.onAir) this.leave();
    // Other viewers ask as well.
    if (this.entered && this.version !== this.asked) {
      this.asked = this.version;
      this.askIn(Math.random() * state.viewers * PER_VIEWER_MS);
    }
    this.draw();
  }

  draw() {
    const playing = Boolean(this.entered && this.player && this.onAir);
    const hasChat = this.player ? Boolean(this.player.chat_url) : this.room.dataset.chat !== undefined;
    const hasTalk = ["questions", "chat"].includes(this.talk);
    $("enter").hidden = playing || this.status !== "live";
    this.play(playing ? this.player : null);
    frame($("chat"), playing ? this.player.chat_url : "");
    $("chat-soon").hidden = playing;
    $("chat-box").hidden = !(this.onAir && hasChat);
    $("studio").classList.toggle("wide", this.onAir && !hasChat && !hasTalk);
    if (playing !== this.playing) this.tell(playing);
  }

  async tell(playing) {
    this.playing = playing;
    // Only the viewer can start a foreign player then.
    const mayStandStill = playing && this.resumed && this.player.video === "embed";
    $("resumed").hidden = !mayStandStill || Boolean(navigator.userActivation?.hasBeenActive);
    if (playing && !this.resumed) $("player").firstElementChild?.focus();
    if (!playing) this.resumed = false;
    await this.onPlaying(playing);
    if (playing && this.playing) this.channel?.postMessage("entered");
  }

  // A smaller picture needs a quarter of the bandwidth. Sound only needs a twentieth; the poster is shown.
  choose(quality) {
    this.quality = quality;
    remember(`${this.name}-quality`, quality);
    this.draw();
  }

  // The chosen rendition, if it can be played.
  get playlist() {
    return this.quality === "low" && !this.low ? "live" : this.quality;
  }

  play(player) {
    const isVideo = Boolean(player) && player.video !== "embed";
    const isOwn = player?.video === "own";
    const address = isOwn ? player.url.replace(/live\.m3u8$/, `${this.playlist}.m3u8`) : player?.url;
    for (const [id, quality] of Object.entries(CHOICES)) {
      $(id).hidden = !isOwn || (quality === "low" && !this.low);
      $(id).setAttribute("aria-pressed", String(this.quality === quality));
    }
    this.noPicture.offersLow = this.low && this.quality !== "low";
    $("player").classList.toggle("sound-only", isOwn && this.playlist === "audio");
    if (this.video && this.video.address !== address) {
      this.video.remove();
      this.video = null;
      this.say("");
    }
    if (!player) this.noPicture.playing();
    if (!isVideo) return this.frame(player);
    if (this.video) return undefined;
    this.video = new Video({ address, isOwn }, $("player").dataset.title, (word) => this.say(word), this.element);
    this.element = undefined;
    this.video.waits = this.waitsForSpeaker;
    this.noPicture.expect(player);
    return $("player").replaceChildren(this.video.element);
  }

  frame(player) {
    const fresh = frame($("player"), player?.url);
    if (!fresh) return;
    this.noPicture.playing();
    this.noPicture.expect(player);
    fresh.addEventListener("load", () => this.noPicture.loaded());
  }

  // Mount the player again.
  again() {
    this.video?.remove();
    this.video = null;
    this.say("");
    $("player").replaceChildren();
    this.draw();
  }

  get waitsForSpeaker() {
    return this.player?.video === "own" && !this.signal;
  }

  say(word) {
    const note = $("player-says");
    const stands = word === "broken" && this.waitsForSpeaker;
    // Without a signal everybody waits for the speaker, and a viewer can do nothing.
    if (["", "muted", "blocked"].includes(word) || this.waitsForSpeaker) this.noPicture.playing();
    else if (this.player) this.noPicture.expect(this.player, true);
    note.textContent = word ? note.dataset[stands ? "back" : word] : "";
    $("unmute").hidden = word !== "muted";
  }
}

// Of this tab, across reloads. The storage may be denied.
function remembered(name) {
  try {
    return sessionStorage.getItem(name);
  } catch {
    return null;
  }
}

function remember(name, value = null) {
  try {
    if (value) sessionStorage.setItem(name, value);
    else sessionStorage.removeItem(name);
  } catch {
    // The next reload asks for a press.
  }
}

function frame(box, address) {
  const current = box.querySelector("iframe");
  if (!address) current?.remove();
  if (!address || current?.getAttribute("src") === address) return undefined;
  const fresh = document.createElement("iframe");
  fresh.src = address;
  fresh.title = box.dataset.title;
  fresh.allow = ALLOW;
  fresh.referrerPolicy = "strict-origin-when-cross-origin";
  box.replaceChildren(fresh);
  return fresh;
}
