// Tabs by the pattern of ARIA: arrow keys move between them, and one of them is in the order of the Tab key.
export class Tabs {
  constructor(list, onChoose) {
    Object.assign(this, { list, onChoose });
    list.hidden = false;
    this.chosen = this.visible[0].dataset.tab;
    list.addEventListener("click", ({ target }) => {
      const tab = target.closest("[role=tab]");
      if (tab) this.choose(tab.dataset.tab);
    });
    list.addEventListener("keydown", (event) => this.move(event));
  }

  get all() {
    return [...this.list.querySelectorAll("[role=tab]")];
  }

  get visible() {
    return this.all.filter((tab) => !tab.hidden);
  }

  choose(name) {
    this.chosen = name;
    for (const tab of this.all) {
      const chosen = tab.dataset.tab === name;
      tab.ariaSelected = String(chosen);
      tab.tabIndex = chosen ? 0 : -1;
    }
    this.onChoose(name);
  }

  move(event) {
    const tabs = this.visible;
    const at = tabs.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const tab = tabs[(to + tabs.length) % tabs.length];
    tab.focus();
    this.choose(tab.dataset.tab);
  }
}
