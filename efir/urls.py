"""Every address of Efir."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, register_converter
from django.views.i18n import set_language

from efir.web import IdConverter

register_converter(IdConverter, "id")

urlpatterns: list[URLPattern | URLResolver] = [
    path("i18n/setlang/", set_language, name="set_language"),
    path("", include("efir.accounts.urls")),
    path("", include("efir.webinars.urls")),
    path("", include("efir.room.urls")),
    path("", include("efir.attendance.urls")),
    path("", include("efir.telegram.urls")),
    path("", include("efir.ops.urls")),
]
