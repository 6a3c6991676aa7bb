// On a phone the keyboard covers half of the page. While somebody types, the player, the latest messages and the field share
// what is left of the screen; it is measured, because phones shrink the visual viewport only.
const NARROW = matchMedia("(max-width: 899px)");
const SETTLED_MS = 150; // a press elsewhere must reach its target

export function keepPlayerInSight(form) {
  const view = window.visualViewport;
  if (!view) return;
  const { style } = document.documentElement;

  function fit() {
    style.setProperty("--seen-top", `${view.offsetTop}px`);
    style.setProperty("--seen-height", `${view.height}px`);
  }

  function look() {
    document.body.classList.toggle("typing", NARROW.matches && form.contains(document.activeElement));
    fit();
  }

  form.addEventListener("focusin", look);
  form.addEventListener("focusout", () => setTimeout(look, SETTLED_MS));
  view.addEventListener("resize", fit);
  view.addEventListener("scroll", fit);
  NARROW.addEventListener("change", look);
}
