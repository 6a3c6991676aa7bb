// Shows the poster before it is sent, and takes the URL out of pasted code; the form works without it.
const IFRAME_SRC = /<iframe\b[^>]*?\bsrc\s*=\s*(?:"[^"]+"|'[^']+'|[^\s"'>]+)/i;
const WIDTH = 960;
const HEIGHT = 540;

function addressIn(text) {
  const found = IFRAME_SRC.exec(text);
  if (!found) return null;
  // The browser's parser decodes &amp; and the like.
  const read = new DOMParser().parseFromString(found[0].replace(/>?$/, "></iframe>"), "text/html");
  const address = read.querySelector("iframe")?.getAttribute("src")?.trim() ?? "";
  return address.startsWith("//") ? `https:${address}` : address;
}

function takeAddress(field, said) {
  const address = addressIn(field.value);
  if (!address) return;
  field.value = address;
  field.insertAdjacentElement("afterend", said);
  said.textContent = said.dataset.taken;
}

function watchAddresses(form) {
  for (const field of form.querySelectorAll("textarea[name=player_url], textarea[name=chat_url]")) {
    const said = document.createElement("p");
    said.className = "hint";
    said.setAttribute("role", "status");
    said.dataset.said = "";
    said.dataset.taken = form.dataset.taken;
    field.insertAdjacentElement("afterend", said);
    field.addEventListener("input", () => takeAddress(field, said));
    field.addEventListener("blur", () => takeAddress(field, said));
  }
}

// On a canvas, because an image from a blob: URL would need a wider Content Security Policy.
async function drawPreview(file, preview, alt) {
  const picture = await createImageBitmap(file);
  const canvas = document.createElement("canvas");
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", alt);
  const scale = Math.max(WIDTH / picture.width, HEIGHT / picture.height);
  const [wide, high] = [picture.width * scale, picture.height * scale];
  canvas.getContext("2d").drawImage(picture, (WIDTH - wide) / 2, (HEIGHT - high) / 2, wide, high);
  picture.close();
  preview.replaceChildren(canvas);
  preview.hidden = false;
}

function watchPoster(field) {
  const input = field.querySelector("input[type=file]");
  const preview = field.querySelector(".poster-preview");
  const said = field.querySelector("[data-said]");
  const chosen = field.querySelector("[data-chosen]");
  const none = chosen?.textContent;
  const before = [...preview.childNodes];
  const asItWas = () => {
    preview.replaceChildren(...before);
    preview.hidden = !preview.querySelector("img");
  };
  input.addEventListener("change", async () => {
    const [file] = input.files;
    chosen.textContent = file?.name ?? none;
    said.textContent = "";
    asItWas();
    if (!file) return;
    if (file.size > Number(input.dataset.largest)) {
      said.textContent = field.dataset.tooHeavy;
      return;
    }
    try {
      await drawPreview(file, preview, file.name);
      if (input.files[0] !== file) return;
      said.textContent = field.dataset.notYet;
      const removed = field.querySelector("[name=poster_removed]");
      if (removed) removed.checked = false;
    } catch {
      said.textContent = field.dataset.unreadable;
    }
  });
}

const form = document.getElementById("fields");
watchAddresses(form);
document.querySelectorAll("[data-poster]").forEach(watchPoster);
