// The player and the chat. A foreign iframe does not report that autoplay was refused, so the viewer's own click mounts
// it. The finish removes it together with its sound. Of several tabs of one browser, only the last one entered plays.
import { Video } from "./video.js";

// Protected video (Kinescope, VK) needs encrypted-media. The page may delegate a feature that its Permissions-Policy does
// not mention, but not one that the policy denies.
const ALLOW = "autoplay; fullscreen; encrypted-media; picture-in-picture";
const $ = (id) => document.getElementById(id);

export class Stage {
  constructor(room, name) {
    this.room = room;
    this.token = room.querySelector("[name=csrfmiddlewaretoken]").value;
    this.entered = false;
    this.state = null;
    this.channel = window.BroadcastChannel && new BroadcastChannel(name);
    this.channel?.addEventListener("message", ({ data }) => (data === "entered" ? this.giveWay() : this.hint()));
    // A page that is closed or kept in the back/forward cache stops playing; restored from the cache, it plays again.
    window.addEventListener("pagehide", () => this.entered && this.channel?.postMessage("left"));
    window.addEventListener("pageshow", ({ persisted }) => persisted && this.entered && this.channel?.postMessage("entered"));
    $("enter-button").disabled = false; // disabled in the HTML: without this script it would do nothing
    $("enter-button").addEventListener("click", () => this.enter());
    for (const event of ["online", "pageshow"]) window.addEventListener(event, () => this.video?.wake());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.video?.wake(); });
  }

  async enter() {
    this.entered = true;
    this.channel?.postMessage("entered");
    await this.ask();
    $("player").firstElementChild?.focus();
  }

  // Asks for the player, which the server hands out only to those who open the broadcast.
  async ask() {
    const headers = { "X-CSRFToken": this.token, Accept: "application/json" };
    const asked = this.asked = this.state?.player_version ?? this.room.dataset.player;
    const answer = await fetch(this.room.dataset.watch, { method: "POST", headers }).catch(() => null);
    if (asked !== this.asked) return;
    if (!answer?.ok) {
      this.asked = undefined;
      this.entered = false;
    }
    this.player = answer?.ok ? await answer.json() : undefined;
    this.draw();
  }

  giveWay() {
    if (!this.entered) return;
    this.entered = false;
    this.hint("elsewhere");
    this.draw();
  }

  hint(where = "here") {
    $("enter-hint").textContent = $("enter-hint").dataset[where];
  }

  show(state) {
    this.state = state;
    this.draw();
    if (this.entered && state.player_version !== this.asked) this.ask();
  }

  draw() {
    const { status } = this.state ?? {};
    const onAir = status === "live" || status === "paused";
    if (this.state && !onAir) this.entered = false;
    const mounted = this.entered && this.player && (onAir || !this.state);
    const chat = this.player ? this.player.chat_url : this.room.dataset.chat !== undefined;
    $("enter").hidden = this.entered || status !== "live";
    this.play(mounted ? this.player.url : "");
    frame($("chat"), mounted ? this.player.chat_url : "");
    $("chat-soon").hidden = Boolean(mounted);
    if (this.state) $("chat-box").hidden = !(onAir && chat);
    if (this.state) $("studio").classList.toggle("wide", onAir && !chat);
  }

  play(address) {
    const hls = Boolean(address) && isHls(address);
    if (this.video && this.video.address !== address) {
      this.video.remove();
      this.video = null;
      this.say("");
    }
    if (!hls) return frame($("player"), address);
    if (this.video) return undefined;
    this.video = new Video(address, $("player").dataset.title, (word) => this.say(word));
    return $("player").replaceChildren(this.video.element);
  }

  say(word) {
    const note = $("player-says");
    note.textContent = word ? note.dataset[word] : "";
  }
}

function isHls(address) {
  return new URL(address, location.href).pathname.toLowerCase().endsWith(".m3u8");
}

function frame(box, address) {
  const current = box.querySelector("iframe");
  if (!address) return current?.remove();
  if (current?.getAttribute("src") === address) return undefined;
  const fresh = document.createElement("iframe");
  fresh.src = address;
  fresh.title = box.dataset.title;
  fresh.allow = ALLOW;
  fresh.referrerPolicy = "strict-origin-when-cross-origin";
  box.replaceChildren(fresh);
  return undefined;
}
