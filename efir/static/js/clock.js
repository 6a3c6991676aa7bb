// The server's clock: from a header of the page, which itself may be cached, and from every message of the stream. If the
// browser hides the header (plain http on another host), the viewer's own clock is used.
let offset = 0;

export function setServerTime(iso, receivedAt) {
  offset = Date.parse(iso) - receivedAt;
}

export function startClock() {
  const [navigation] = performance.getEntriesByType("navigation");
  const told = navigation?.serverTiming?.find(({ name }) => name === "clock");
  if (told) offset = told.duration - (performance.timeOrigin + navigation.responseStart);
}

export function serverNow() {
  return Date.now() + offset;
}

export function clockText(ms, days) {
  const total = Math.max(0, Math.floor(ms / 1000));
  const pad = (number) => String(number).padStart(2, "0");
  const rest = total % 86400;
  const time = `${pad(Math.floor(rest / 3600))}:${pad(Math.floor(rest / 60) % 60)}:${pad(rest % 60)}`;
  return total >= 86400 ? `${Math.floor(total / 86400)} ${days} ${time}` : time;
}
