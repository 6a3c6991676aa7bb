"""URLs of verdicts and CSV exports."""

from __future__ import annotations

from django.urls import path

from efir.attendance import views

urlpatterns = [
    path("admin_webinar/<id:webinar_id>/verdicts/<id:lead_id>", views.decide_verdict, name="decide_verdict"),
    path("admin_webinar/<id:webinar_id>/verdicts.csv", views.verdicts_csv, name="verdicts_csv"),
    path("admin_webinar/<id:webinar_id>/presence.csv", views.presence_csv, name="presence_csv"),
]
