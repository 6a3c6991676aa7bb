// The people in the room: fetched page by page while the list is open. Pages that have been opened are refreshed.
const EVERY_MS = 15000;
const SOON_MS = 1500;
const $ = (id) => document.getElementById(id);

export function startPeople(address) {
  const [box, list, rest] = ["people", "people-list", "people-rest"].map($);
  const pages = [];
  let total = 0;

  async function read(number) {
    const headers = { Accept: "application/json" };
    const answer = await fetch(`${address}?page=${number}`, { headers }).catch(() => null);
    const given = answer?.ok && !answer.redirected ? await answer.json().catch(() => null) : null;
    $("people-failed").textContent = given ? "" : $("people-failed").dataset.text;
    if (!given) return false;
    // For a page beyond the last the server returns the last one: the room has shrunk.
    pages[given.page - 1] = given.people;
    pages.length = Math.min(pages.length, given.pages);
    total = given.total;
    return true;
  }

  async function refresh() {
    if (!box.open || box.hidden) return;
    let answered = true;
    for (let number = 1; answered && number <= Math.max(1, pages.length); number += 1) {
      answered = await read(number);
    }
    draw();
    if (answered && !total) setTimeout(refresh, SOON_MS); // the viewer has just come and is not in the database yet
  }

  async function more() {
    const before = list.children.length;
    await read(pages.length + 1);
    draw();
    // The button may be hidden now: move the focus to the first new row for keyboard users.
    list.children[before]?.focus();
  }

  function draw() {
    const people = pages.flat();
    // Rows are updated in place, so that focus and scroll position are kept.
    while (list.children.length > people.length) list.lastElementChild.remove();
    people.forEach(({ name, role }, index) => {
      const row = list.children[index] ?? list.appendChild(emptyRow());
      row.firstChild.data = `${name} `;
      row.lastChild.textContent = role;
    });
    rest.hidden = people.length >= total;
    const shown = $("people-shown");
    shown.textContent = shown.dataset.text.replace("{shown}", people.length).replace("{total}", total);
  }

  box.addEventListener("toggle", refresh);
  $("people-more").addEventListener("click", more);
  setInterval(refresh, EVERY_MS);
}

function emptyRow() {
  const row = document.createElement("li");
  const badge = document.createElement("span");
  row.tabIndex = -1;
  badge.className = "muted";
  row.append(document.createTextNode(""), badge);
  return row;
}
