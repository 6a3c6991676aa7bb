"""URLs for operators: health, metrics, and the demo if it runs."""

from __future__ import annotations

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

from efir.ops.monitoring.health import healthz, healthz_web
from efir.ops.monitoring.metrics import metrics

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", healthz, name="healthz"),
    path("healthz/web", healthz_web, name="healthz_web"),
    path("metrics", metrics, name="metrics"),
]

if settings.EFIR.demo:
    urlpatterns.append(path("demo/", include("efir.demo.urls")))
