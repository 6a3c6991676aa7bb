// Hands the invitation to the device's own way of sharing; where there is none, the buttons beside it do.
for (const button of document.querySelectorAll("[data-share-url]")) {
  if (!navigator.share) continue;
  button.hidden = false;
  button.addEventListener("click", () => {
    navigator.share({ text: button.dataset.shareText, url: button.dataset.shareUrl }).catch(() => {}); // changed their mind
  });
}
