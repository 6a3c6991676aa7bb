// Plays the recording with hls.js, which begins at once and seeks by seconds. Without it the browser plays the file, or the playlist
// by itself.
const AHEAD_S = 5;
const AHEAD_PLAYING_S = 30;

const player = document.getElementById("player");
const broken = document.getElementById("broken");

// The last source has failed: nothing is left to try.
player.querySelector("source:last-of-type").addEventListener("error", () => { broken.hidden = false; });

const library = window.MediaSource && (await import(player.dataset.library).catch(() => null));
if (library?.isSupported()) {
  const { default: Hls, Events } = library;
  const sources = [...player.children];
  // A few seconds are enough to begin; opening the page must not load more.
  const hls = new Hls({ enableWorker: false, maxBufferLength: AHEAD_S });
  player.replaceChildren();
  player.addEventListener("play", () => { hls.config.maxBufferLength = AHEAD_PLAYING_S; }, { once: true });
  hls.on(Events.ERROR, (_, { fatal }) => {
    if (!fatal) return;
    hls.destroy();
    player.replaceChildren(...sources);
    player.load();
  });
  hls.loadSource(player.dataset.playlist);
  hls.attachMedia(player);
}
