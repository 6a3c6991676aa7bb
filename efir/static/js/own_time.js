// Adds the viewer's own time beside a webinar's time if their zones differ, with the day if that differs, too.
const MINUTE_MS = 60 * 1000;

export function addOwnTimes() {
  for (const time of document.querySelectorAll("time[data-offset]:not([data-own])")) {
    time.dataset.own = "";
    const moment = new Date(time.dateTime);
    const offset = Number(time.dataset.offset);
    if (-moment.getTimezoneOffset() === offset) continue;
    const own = document.createElement("span");
    own.className = "own-time";
    own.textContent = `${document.body.dataset.ownTime} ${said(moment, offset)}`;
    time.after(" ", own);
  }
}

function said(moment, offset) {
  const there = new Date(moment.getTime() + offset * MINUTE_MS);
  const day = there.getUTCDate() === moment.getDate() ? {} : { day: "numeric", month: "long" };
  const form = { ...day, hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return moment.toLocaleString(document.documentElement.lang, form);
}
