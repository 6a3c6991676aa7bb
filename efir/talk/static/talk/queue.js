// The speaker's queue: asks every few seconds whether something changed, and posts its buttons without leaving the page, which
// may be on air.
const POLL_MS = 2000;

class Queue {
  constructor() {
    document.addEventListener("submit", (event) => this.submit(event));
    document.addEventListener("click", (event) => this.choose(event));
    this.poll();
  }

  get box() {
    return document.getElementById("talk-queue");
  }

  async poll() {
    if (!document.hidden && !this.reading) await this.read();
    setTimeout(() => this.poll(), POLL_MS);
  }

  async read(show = this.box.dataset.show, known = this.box.dataset.change) {
    const reading = this.reading = {};
    const fresh = await this.fresh(show, known);
    if (reading !== this.reading) return; // something else was chosen meanwhile
    this.reading = null;
    // A press is lost if its button is replaced meanwhile.
    if (fresh && !this.box.querySelector("button:active")) this.replace(document.adoptNode(fresh));
  }

  // Return the list as it is now, or null if it is known already or does not come.
  async fresh(show, known) {
    const query = new URLSearchParams({ talk: show, known });
    const answer = await fetch(`${this.box.dataset.address}?${query}`).catch(() => null);
    if (answer?.status !== 200 || answer.redirected) return null;
    const text = await answer.text().catch(() => "");
    return new DOMParser().parseFromString(text, "text/html").getElementById("talk-queue");
  }

  replace(fresh) {
    const { box } = this;
    const focused = box.contains(document.activeElement) ? keyOf(document.activeElement) : "";
    for (const fold of box.querySelectorAll("details[id]")) {
      const again = fresh.querySelector(`#${fold.id}`);
      if (again) again.open = fold.open;
    }
    const place = placeOf(box);
    box.replaceWith(fresh);
    restore(fresh, place);
    if (!focused) return;
    const same = [...fresh.querySelectorAll("a, button, summary")].find((each) => keyOf(each) === focused);
    (same ?? fresh.querySelector(".choices a"))?.focus({ preventScroll: true });
  }

  async submit(event) {
    const form = event.target;
    if (!form.closest("#talk-queue")) return;
    event.preventDefault();
    const body = new URLSearchParams(new FormData(form, event.submitter));
    const headers = { Accept: "application/json" };
    // Not form.action, which is a button of that name.
    const answer = await fetch(form.getAttribute("action"), { method: "POST", headers, body }).catch(() => null);
    const told = answer ? await answer.json().catch(() => null) : null;
    if (answer?.ok) await this.read(undefined, -1);
    document.getElementById("talk-queue-says").textContent = answer?.ok ? "" : told?.detail || this.box.dataset.failed;
  }

  choose(event) {
    const link = event.target.closest("#talk-queue .choices a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.read(new URL(link.href).searchParams.get("talk") ?? "", -1);
  }
}

// Where the speaker reads, so that a newer list does not move it: the first row in sight, and how far it is from the top.
function placeOf(box) {
  const list = box.querySelector(".talk-queue-list");
  const top = list?.getBoundingClientRect().top;
  const row = [...(list?.children ?? [])].find((each) => each.dataset.id && each.getBoundingClientRect().bottom > top);
  return {
    show: box.dataset.show,
    filters: box.querySelector(".choices").scrollLeft,
    scrolled: list?.scrollTop,
    id: row?.dataset.id,
    at: row?.getBoundingClientRect().top - top,
  };
}

function restore(box, { show, filters, scrolled, id, at }) {
  box.querySelector(".choices").scrollLeft = filters;
  const list = box.querySelector(".talk-queue-list");
  if (!list || !scrolled || show !== box.dataset.show) return; // at the top, new ones appear
  list.scrollTop = scrolled;
  const row = list.querySelector(`[data-id="${id}"]`);
  if (row) list.scrollTop += row.getBoundingClientRect().top - list.getBoundingClientRect().top - at;
}

function keyOf(element) {
  return [element.closest("[data-id]")?.dataset.id, element.name, element.value, element.getAttribute("href")].join(" ");
}

if (document.getElementById("talk-queue")) new Queue();
