// What those who moderate do with messages: a menu on each. Every action is answered with the message as it is then.
const ACTIONS = ["answer", "pin", "unpin", "show", "hide"];

export class Moderation {
  // Calls `onChange` with the changed message, and `onTold` with what to say and whether it is an error.
  constructor(talk, token, { onChange, onTold }) {
    Object.assign(this, { talk, token, onChange, onTold, words: talk.dataset });
  }

  menu(message) {
    const menu = document.createElement("details");
    const summary = menu.appendChild(document.createElement("summary"));
    const author = message.author.name ?? message.original?.author.name ?? "";
    menu.className = "talk-menu";
    menu.addEventListener("toggle", () => { if (menu.open) menu.scrollIntoView({ block: "nearest" }); });
    summary.textContent = "⋯";
    summary.ariaLabel = this.words.sayActions.replace("{name}", author);
    for (const action of ACTIONS.filter((each) => isOffered(each, message))) {
      menu.append(this.button(this.word(action, message), () => this.act(message, action)));
    }
    const { person, badge } = message.original?.author ?? message.author;
    if (person && badge !== "speaker") {
      menu.append(this.button(this.words.doMute, () => this.mute(person)));
    }
    return menu;
  }

  word(action, message) {
    if (action === "show" && message.state === "shown") return this.words.doPublish;
    return this.words[`do${action[0].toUpperCase()}${action.slice(1)}`];
  }

  button(text, act) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "button quiet small", textContent: text });
    button.addEventListener("click", act);
    return button;
  }

  async act(message, action) {
    const told = await this.post(`${this.words.moderate}${message.id}`, { action });
    if (told) this.onChange(told);
  }

  async mute(person) {
    if (await this.post(this.words.mute, { person, on: "true" })) this.onTold(this.words.muted, { isError: false });
  }

  async post(address, fields) {
    const headers = { "X-CSRFToken": this.token, Accept: "application/json" };
    const answer = await fetch(address, { method: "POST", headers, body: new URLSearchParams(fields) }).catch(() => null);
    const told = answer ? await answer.json().catch(() => null) : null;
    if (answer?.ok && told) return told;
    this.onTold(told?.detail || this.words.failed);
    return null;
  }
}

function isOffered(action, message) {
  const isQuestion = message.kind === "question";
  const isPublic = message.state === "shown" && !message.private;
  return {
    answer: isQuestion && !message.answered_at && message.state === "shown",
    pin: isPublic && !message.pinned,
    unpin: Boolean(message.pinned),
    show: message.state !== "shown" || Boolean(message.private && message.answered_at),
    hide: message.state !== "hidden",
  }[action];
}
