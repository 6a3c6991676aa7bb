// The key for OBS: shown once, in its place, without leaving the page. Without this script the response is a separate page.
const form = document.getElementById("stream-key");

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).value);
    button.textContent = button.dataset.done;
  });
}

// A new key invalidates the previous one, so the page asks first.
function agreed() {
  const dialog = document.getElementById("confirm");
  if (!form.dataset.ask || !dialog) return Promise.resolve(true);
  dialog.querySelector("#confirm-text").textContent = form.dataset.ask;
  dialog.querySelector("[data-yes]").textContent = form.dataset.agree;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

async function show() {
  if (!(await agreed())) return;
  const answer = await fetch(form.action, { method: "POST", body: new FormData(form), headers: { Accept: "application/json" } }).catch(() => null);
  if (!answer?.ok) {
    document.getElementById("key-failed").hidden = false;
    return;
  }
  const { key } = await answer.json();
  document.getElementById("key-failed").hidden = true;
  document.getElementById("encoder-key").value = key;
  document.getElementById("key-field").hidden = false;
  form.querySelector("button[type=submit]").hidden = true;
  document.getElementById("encoder-key").select();
}

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  show();
});
