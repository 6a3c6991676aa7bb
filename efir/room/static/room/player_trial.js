// Plays an HLS address as the room does; without this script the browser plays it if it can.
import { Video } from "./video.js";

const box = document.getElementById("player-trial");
const note = document.getElementById("player-says");
const say = (word) => { note.textContent = word ? note.dataset[word] : ""; };
const video = new Video({ address: box.dataset.url, isOwn: false }, box.dataset.title, say);
box.replaceChildren(video.element);
