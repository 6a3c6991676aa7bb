// Adds the countdowns and the viewer's own time, and keeps the schedule fresh; it works without this script.
import { startClock } from "../js/clock.js";
import { startCountdowns } from "../js/countdown.js";
import { keepFresh } from "../js/fresh.js";
import { addOwnTimes } from "../js/own_time.js";

const main = document.getElementById("main");
let served = wordsOf(main);

// The forms' tokens differ each time.
function wordsOf(part) {
  return part.innerHTML.replace(/(name="csrfmiddlewaretoken" value=")[^"]*/g, "$1");
}

function show(page) {
  const fresh = page.getElementById("main");
  // Do not replace an element that has the keyboard focus.
  if (!fresh || main.contains(document.activeElement) && document.activeElement !== main) return;
  const words = wordsOf(fresh);
  if (words === served) return;
  served = words;
  main.replaceChildren(...fresh.childNodes);
  addOwnTimes();
}

startClock();
startCountdowns();
addOwnTimes();
keepFresh(location.pathname, show);
