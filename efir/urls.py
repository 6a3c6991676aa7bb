"""URLs of the site; each app has its own."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, register_converter

from efir.accounts.language import choose_language
from efir.web import offline
from efir.web.shortcuts import IdConverter

register_converter(IdConverter, "id")

handler500 = "efir.web.errors.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    path("i18n/setlang/", choose_language, name="set_language"),
    path("offline/", offline.page, name="offline"),
    path("offline.js", offline.worker, name="offline_worker"),
    path("", include("efir.site_settings.urls")),
    path("", include("efir.accounts.urls")),
    path("", include("efir.webinars.urls")),
    path("", include("efir.room.urls")),
    path("", include("efir.talk.urls")),
    path("", include("efir.broadcast.urls")),
    path("", include("efir.attendance.urls")),
    path("", include("efir.telegram.urls")),
    path("", include("efir.pages.urls")),
    path("", include("efir.ops.urls")),
]
