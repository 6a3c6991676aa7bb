// Plays the recording with hls.js, which begins at once and seeks by seconds. Without it the browser plays the file, or the playlist
// by itself.
const player = document.getElementById("player");
const broken = document.getElementById("broken");

// The last source has failed: nothing is left to try.
player.querySelector("source:last-of-type").addEventListener("error", () => { broken.hidden = false; });

const library = window.MediaSource && (await import(player.dataset.library).catch(() => null));
if (library?.isSupported()) {
  const { default: Hls, Events } = library;
  const sources = [...player.children];
  const hls = new Hls({ enableWorker: false, autoStartLoad: false });
  player.replaceChildren();
  // Nothing but the playlist is loaded until somebody wants to see it.
  player.addEventListener("play", () => hls.startLoad(), { once: true });
  hls.on(Events.ERROR, (_, { fatal }) => {
    if (!fatal) return;
    hls.destroy();
    player.replaceChildren(...sources);
    player.load();
  });
  hls.loadSource(player.dataset.playlist);
  hls.attachMedia(player);
}
