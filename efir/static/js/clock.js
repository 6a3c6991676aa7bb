// The server's clock. A page says what it was as the page was made; the stream says it with every message.
let offset = 0;

export function setServerTime(iso, receivedAt) {
  offset = Date.parse(iso) - (receivedAt ?? pageArrived());
}

export function serverNow() {
  return Date.now() + offset;
}

function pageArrived() {
  const [navigation] = performance.getEntriesByType("navigation");
  return navigation ? performance.timeOrigin + navigation.responseStart : Date.now();
}

export function clockText(ms, days) {
  const total = Math.max(0, Math.floor(ms / 1000));
  const pad = (number) => String(number).padStart(2, "0");
  const rest = total % 86400;
  const time = `${pad(Math.floor(rest / 3600))}:${pad(Math.floor(rest / 60) % 60)}:${pad(rest % 60)}`;
  return total >= 86400 ? `${Math.floor(total / 86400)} ${days} ${time}` : time;
}
