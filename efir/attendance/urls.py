"""Addresses of verdicts."""

from __future__ import annotations

from django.urls import path

from efir.attendance import views

urlpatterns = [
    path("admin_webinar/<id:webinar_id>/verdicts/<id:lead_id>", views.decide_verdict, name="decide_verdict"),
]
