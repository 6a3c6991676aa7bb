// Countdowns by the server's clock; once the time has come they say so instead of standing at 00:00.
import { clockText, serverNow } from "./clock.js";

function draw(element) {
  const left = Date.parse(element.dataset.countdown) - serverNow();
  const over = !(left > 0);
  element.hidden = over && !element.dataset.over;
  element.classList.toggle("over", over);
  const text = over ? element.dataset.over ?? "" : clockText(left, element.dataset.days);
  if (element.textContent !== text) element.textContent = text;
}

export function startCountdowns() {
  const all = () => document.querySelectorAll("[data-countdown]").forEach(draw);
  all();
  setInterval(all, 1000);
}
