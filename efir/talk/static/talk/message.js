// One message as an element. Its words are plain text, never markup, and their writing direction is isolated.
const LINK = /https?:\/\/[^\s<>"]+/g;
const AFTER_LINK = /[.,;:!?)\]»”'…]+$/;
const TIME = new Intl.DateTimeFormat(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" });

// `words` are the texts of the page. `own`: the viewer wrote it. `menu`: what those who moderate may do with it.
export function messageElement(message, words, { own = false, menu = null }, tag = "li") {
  const hidden = message.state === "hidden";
  const { author, text } = hidden ? message.original : message;
  const row = element(tag, "talk-message");
  row.classList.toggle("own", own);
  for (const name of [message.kind, message.state, author.badge]) if (name) row.classList.add(name);
  if (message.id !== undefined) row.dataset.id = message.id;
  const head = row.appendChild(element("p", "talk-who"));
  head.append(element("bdi", "", own ? words.you : author.name));
  if (author.badge) head.append(" ", element("span", "badge", words[author.badge]));
  if (message.at) head.append(" ", time(message.at));
  const said = row.appendChild(element("p", "talk-said"));
  said.dir = "auto";
  said.append(...(author.badge === "speaker" ? linked(text) : [text]));
  const marks = marksOf(message, words, own);
  if (marks.length) row.append(element("p", "talk-marks", marks.join(" · ")));
  if (menu) row.append(menu);
  return row;
}

function marksOf(message, words, own) {
  const { kind, state, why } = message;
  return [
    kind === "question" && words.question,
    message.answered_at && answered(message, words),
    message.private && (own ? words.privateOwn : words.private),
    state === "held" && (own ? words.heldOwn : words.held),
    state === "hidden" && words.hidden,
    state === "pending" && words[`${why}Own`],
  ].filter(Boolean);
}

function answered({ answered_minute: minute }, words) {
  return minute === null || minute === undefined ? words.answered : words.answeredAt.replace("{minute}", minute);
}

function time(at) {
  const shown = element("time", "muted", TIME.format(new Date(at)));
  shown.dateTime = new Date(at).toISOString(); // HTML takes three digits of a second
  return shown;
}

// Only those who moderate may write links.
function linked(text) {
  const parts = [];
  let from = 0;
  for (const { 0: found, index } of text.matchAll(LINK)) {
    const address = found.replace(AFTER_LINK, "");
    const link = element("a", "", address);
    Object.assign(link, { href: address, target: "_blank", rel: "nofollow noopener ugc" });
    parts.push(text.slice(from, index), link);
    from = index + address.length;
  }
  return [...parts, text.slice(from)];
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}
