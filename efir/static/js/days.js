// Keeps «today» and «tomorrow» true on a page that stays open, by the calendar of the webinar's zone as on the server.
import { serverNow } from "./clock.js";

const EVERY_MS = 30000;
const MINUTE_MS = 60000;
const DAY_MS = 24 * 60 * MINUTE_MS;

// As `relative_day` on the server: the wanted name of the day, and the names that it may have had.
function names(time) {
  const { today, tomorrow } = document.body.dataset;
  const shift = Number(time.dataset.offset) * MINUTE_MS;
  const [there, now] = [Date.parse(time.dateTime) + shift, serverNow() + shift];
  const ahead = Math.floor(there / DAY_MS) - Math.floor(now / DAY_MS);
  const language = document.documentElement.lang === "en" ? "en-GB" : document.documentElement.lang;
  const date = new Date(there).toLocaleDateString(language, { day: "numeric", month: "long", timeZone: "UTC" });
  const year = new Date(there).getUTCFullYear();
  const dated = year === new Date(now).getUTCFullYear() ? date : `${date} ${year}`;
  return { wanted: [today, tomorrow][ahead] ?? dated, known: [today, tomorrow, `${date} ${year}`, date] };
}

function times() {
  return [...document.querySelectorAll("time[data-offset]")];
}

function draw(time) {
  const { wanted, known } = names(time);
  const shown = known.find((name) => time.textContent.includes(name));
  if (shown && shown !== wanted) time.textContent = time.textContent.replace(shown, wanted);
}

export function keepDaysTrue() {
  // If the clock contradicts a page that has just come from the server, the viewer's clock is wrong: leave the page alone.
  if (!times().every((time) => time.textContent.includes(names(time).wanted))) return;
  const all = () => times().forEach(draw);
  setInterval(all, EVERY_MS);
  document.addEventListener("visibilitychange", all);
}
