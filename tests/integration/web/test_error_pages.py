"""Error pages in both languages, each caused by a real request."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.db import OperationalError
from django.test import Client

from efir.accounts.capabilities import Role
from efir.web.rate_limit import LIMITS
from efir.webinars import schedule

pytestmark = pytest.mark.django_db


def forbidden(client, monkeypatch):
    return client.get("/account/people/")


def without_a_token(client, monkeypatch):
    return client.post("/account/contact_details", {"email": "a@example.org"})


def nowhere(client, monkeypatch):
    return client.get("/nowhere/")


def wrong_method(client, monkeypatch):
    return client.get("/logout/")


def too_often(client, monkeypatch):
    monkeypatch.setitem(LIMITS, "sign_up", replace(LIMITS["sign_up"], count=0))
    guest = Client(headers=client.defaults_of_language | {"accept": "text/html"})
    form = {"name": "Анна", "username": "anna@example.org", "password": "vecherniy-efir", "consent": "on"}
    return guest.post("/signup/", form)


def broken(client, monkeypatch):
    monkeypatch.setattr(schedule.Schedule, "read", lambda: 1 / 0)
    return client.get("/webinars/")


def no_room_on_the_disk(client, monkeypatch):
    def full():
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(schedule.Schedule, "read", full)
    return client.get("/webinars/")


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize(
    ("come_to", "status", "says"),
    [
        (forbidden, 403, {"ru": "Сюда у вас нет доступа", "en": "access"}),
        (without_a_token, 403, {"ru": "Форма устарела", "en": "expired"}),
        (nowhere, 404, {"ru": "Такой страницы нет", "en": "not found"}),
        (wrong_method, 405, {"ru": "Здесь нет страницы", "en": "no page here"}),
        (too_often, 429, {"ru": "Слишком много попыток", "en": "Too many"}),
        (broken, 500, {"ru": "Что-то сломалось у нас", "en": "went wrong"}),
        (no_room_on_the_disk, 503, {"ru": "не может записать", "en": "cannot save"}),
    ],
)
def test_error_page_explains_and_links_on(  # noqa: PLR0917  # fixtures and a table
    make_person, monkeypatch, come_to, status, says, language
):
    headers = {"accept": "text/html", "accept-language": language}
    client = Client(raise_request_exception=False, enforce_csrf_checks=True, headers=headers)
    client.defaults_of_language = {"accept-language": language}
    client.force_login(make_person(Role.CANDIDATE))
    answer = come_to(client, monkeypatch)
    html = answer.content.decode()
    assert answer.status_code == status
    assert f'<html lang="{language}">' in html
    assert says[language].lower() in html.partition("<h1>")[2].partition("</h1>")[0].lower()
    assert 'class="button" href=' in html
    assert f'class="code" aria-hidden="true">{status}<' in html
    assert 'style="' not in html


def test_database_error_is_503_json_for_programs(monkeypatch):
    client = Client(raise_request_exception=False)
    answer = no_room_on_the_disk(client, monkeypatch)
    assert (answer.status_code, answer["Retry-After"]) == (503, "10")
    assert answer.json()["error"] == "unavailable"
