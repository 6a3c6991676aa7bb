{% load static %}// The service worker: shows one cached page with its files if a page opened by GET cannot be reached. Everything else
// (the room's stream, the API, forms) passes it by.
const CACHE = "efir-offline-{{ version }}";
const KEPT = [
  {% for address in addresses %}"{{ address }}",
  {% endfor %}{% if site_settings.logo %}"{{ site_settings.logo_paths.logo }}",
  "{{ site_settings.logo_paths.icon }}",{% else %}"{% static "img/logo.svg" %}",
  "{% static "img/favicon.svg" %}",{% endif %}
  {% if site_settings.accent %}"{{ site_settings.stylesheet_path }}",{% endif %}
];
const [PAGE, ...FILES] = KEPT;

addEventListener("install", (event) => {
  skipWaiting();
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(KEPT)));
});

addEventListener("activate", (event) => event.waitUntil(Promise.all([forgetOthers(), loadMeanwhile()])));

addEventListener("fetch", (event) => {
  const { mode, method, url } = event.request;
  if (mode === "navigate" && method === "GET") event.respondWith(page(event));
  else if (FILES.includes(new URL(url).pathname)) event.respondWith(file(event.request));
});

async function forgetOthers() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith("efir-offline-") && name !== CACHE).map((name) => caches.delete(name)));
}

// Send the request while the worker starts up.
async function loadMeanwhile() {
  await registration.navigationPreload?.enable();
}

async function page(event) {
  try {
    return await event.preloadResponse ?? await fetch(event.request);
  } catch (error) {
    return kept(PAGE, error);
  }
}

function file(request) {
  return fetch(request).catch((error) => kept(request, error));
}

async function kept(request, error) {
  const answer = await caches.match(request, { ignoreVary: true });
  if (!answer) throw error;
  return answer;
}
