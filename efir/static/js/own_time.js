// Beside a webinar's own time, the viewer's, where their clocks differ.
export function addOwnTimes() {
  for (const time of document.querySelectorAll("time[data-offset]:not([data-own])")) {
    time.dataset.own = "";
    const moment = new Date(time.dateTime);
    if (-moment.getTimezoneOffset() === Number(time.dataset.offset)) continue;
    const own = moment.toLocaleString(document.documentElement.lang, {
      day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
    });
    time.insertAdjacentText("afterend", ` (${document.body.dataset.ownTime} ${own})`);
  }
}
