"""URLs of the logo and the accent's stylesheet."""

from __future__ import annotations

from django.urls import path, re_path

from efir.site_settings import views

urlpatterns = [
    # Messengers, feed readers and phones ask for these without having read a page.
    path("favicon.ico", views.icon),
    path("apple-touch-icon.png", views.icon),
    path("site/logo/<str:digest>/<str:name>", views.logo, name="site_logo"),
    re_path(r"^site/theme/(?P<digits>[0-9a-f]{6})\.css$", views.theme, name="site_theme"),
]
