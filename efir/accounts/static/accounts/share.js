// Shares the invitation with the device's own dialog. Without one, the buttons beside it are used.
for (const button of document.querySelectorAll("[data-share-url]")) {
  if (!navigator.share) continue;
  button.hidden = false;
  button.addEventListener("click", () => {
    navigator.share({ text: button.dataset.shareText, url: button.dataset.shareUrl }).catch(() => {}); // canceled
  });
}
