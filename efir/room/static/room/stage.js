// The player and the chat. A foreign iframe does not tell that autoplay was refused, so the viewer's own press mounts
// it; the finish removes it, and with it the sound.
const $ = (id) => document.getElementById(id);

export class Stage {
  constructor() {
    this.entered = false;
    this.state = null;
    $("enter-button").hidden = $("enter-hint").hidden = false; // a page without its script offers no dead button
    $("enter-button").addEventListener("click", () => {
      this.entered = true;
      this.draw();
    });
  }

  show(state) {
    this.state = state;
    this.draw();
  }

  draw() {
    const { status, player_url: player, chat_url: chat } = this.state ?? {};
    const onAir = status === "live" || status === "paused";
    if (this.state && !onAir) this.entered = false;
    const mounted = this.entered && onAir;
    $("enter").hidden = this.entered || status === "paused";
    frame($("player"), mounted ? player : "");
    frame($("chat"), mounted ? chat : "");
    $("chat").hidden = !(mounted && chat);
    $("stage-row").classList.toggle("with-chat", mounted && Boolean(chat));
  }
}

function frame(box, address) {
  const current = box.querySelector("iframe");
  if (!address) return current?.remove();
  if (current?.getAttribute("src") === address) return undefined;
  const fresh = document.createElement("iframe");
  fresh.src = address;
  fresh.title = box.dataset.title;
  fresh.allow = "autoplay; fullscreen";
  fresh.referrerPolicy = "strict-origin-when-cross-origin";
  box.replaceChildren(fresh);
  return undefined;
}
