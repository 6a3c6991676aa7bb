// If there is no picture: what happened in one sentence, and what to try. The speaker sees how many viewers are affected. For a
// foreign frame the page learns only whether it has loaded, so the viewer can open the same help. `offersLow`: whether a
// smaller picture can be tried.
const AFTER_MS = 8000;
const MORE_MS = 4000; // the picture has stood still for as long when the player says so (video.js)
const REPEAT_MS = 30000; // the server forgets a page that says nothing more (playback.py)
const SPREAD_MS = 5000; // all viewers may lose the picture in the same second
const $ = (id) => document.getElementById(id);

export class NoPicture {
  // `again` reloads the player.
  constructor(address, token, again) {
    Object.assign(this, { address, token, box: $("no-picture"), told: false });
    $("no-picture-again").addEventListener("click", () => {
      this.playing();
      again();
    });
    $("no-picture-open").addEventListener("click", () => this.show());
  }

  // The player was mounted, or its picture has stopped; `playing` reports that it plays.
  expect({ video, url }, stands = false) {
    if (this.timer !== undefined) return;
    this.box.dataset.video = video;
    $("no-picture-tab").href = url;
    this.timer = setTimeout(() => this.show(), stands ? MORE_MS : AFTER_MS);
  }

  // A frame has loaded: something is shown, and nobody but the viewer knows whether it is the picture.
  loaded() {
    clearTimeout(this.timer);
    $("no-picture-open").hidden = false;
  }

  playing() {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.box.hidden = $("no-picture-open").hidden = true;
    clearInterval(this.repeating);
    if (this.told) this.tell(true);
  }

  show() {
    clearTimeout(this.timer);
    for (const part of this.box.querySelectorAll("[data-with]")) {
      part.hidden = !part.dataset.with.split(" ").includes(this.box.dataset.video);
    }
    $("no-picture-small-picture").hidden ||= !this.offersLow;
    this.box.hidden = false;
    $("no-picture-open").hidden = true;
    clearInterval(this.repeating);
    this.repeating = setInterval(() => this.tell(false), REPEAT_MS);
    setTimeout(() => { if (!this.box.hidden) this.tell(false); }, Math.random() * SPREAD_MS);
  }

  tell(playing) {
    this.told = !playing;
    const headers = { "X-CSRFToken": this.token, Accept: "application/json" };
    const body = new URLSearchParams({ playing });
    fetch(this.address, { method: "POST", headers, body }).catch(() => {}); // it is reported again
  }
}
