"""URLs of verdicts and CSV exports."""

from __future__ import annotations

from django.urls import path

from efir.attendance import views
from efir.attendance.report import csv_export, talk_export

urlpatterns = [
    path("admin_webinar/<id:webinar_id>/verdicts/<id:lead_id>", views.decide_verdict, name="decide_verdict"),
    path(
        "admin_webinar/<id:webinar_id>/verdicts.csv",
        views.download,
        {"export_of": csv_export.verdicts},
        name="verdicts_csv",
    ),
    path(
        "admin_webinar/<id:webinar_id>/presence.csv",
        views.download,
        {"export_of": csv_export.presence},
        name="presence_csv",
    ),
    path(
        "admin_webinar/<id:webinar_id>/questions.csv",
        views.download_talk,
        {"export_of": talk_export.questions},
        name="questions_csv",
    ),
    path(
        "admin_webinar/<id:webinar_id>/talk.csv",
        views.download_talk,
        {"export_of": talk_export.talk},
        name="talk_csv",
    ),
]
