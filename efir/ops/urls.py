"""Addresses for operators."""

from __future__ import annotations

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

from efir.ops.health import healthz

urlpatterns: list[URLPattern | URLResolver] = [path("healthz", healthz, name="healthz")]

if settings.EFIR.demo:
    urlpatterns.append(path("demo/", include("efir.ops.demo.urls")))
