// Countdowns by the server's clock; when the time has come they show a message instead of 00:00.
import { clockText, serverNow } from "./clock.js";

const LATE_MS = 30 * 60 * 1000; // the same as the template filter `is_delayed`

function draw(element) {
  const left = Date.parse(element.dataset.countdown) - serverNow();
  const over = !(left > 0);
  if (element.hidden) element.ariaHidden = "true"; // from now on it ticks: a screen reader would read every second
  element.hidden = over && !element.dataset.over;
  element.classList.toggle("over", over);
  const said = left < -LATE_MS ? element.dataset.late ?? element.dataset.over : element.dataset.over;
  const text = over ? said ?? "" : clockText(left, element.dataset.days);
  if (element.textContent !== text) element.textContent = text;
}

export function startCountdowns() {
  const all = () => document.querySelectorAll("[data-countdown]").forEach(draw);
  all();
  setInterval(all, 1000);
}
