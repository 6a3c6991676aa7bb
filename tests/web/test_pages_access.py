"""Who gets which page: a table of (page × role → answer), and what every page has in common."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

import efir
from efir.accounts.capabilities import Role

pytestmark = pytest.mark.django_db

ROLES = ["guest", "candidate", "partner", "leader", "speaker", "admin"]

# For guest, candidate, partner, leader, speaker, admin.
PAGES = {
    "/": (302, 302, 302, 302, 302, 302),
    "/webinars/calendar.ics": (200, 200, 200, 200, 200, 200),
    "/webinars/{draft}/calendar.ics": (404, 404, 404, 404, 404, 404),
    "/webinars/{scheduled}/calendar.ics": (200, 200, 200, 200, 200, 200),
    "/webinars/{finished}/calendar.ics": (200, 200, 200, 200, 200, 200),
    "/posters/00000000000000000000000000000000/480.webp": (404, 404, 404, 404, 404, 404),
    "/live/": (301, 301, 301, 301, 301, 301),
    "/live_room/": (301, 301, 301, 301, 301, 301),
    "/webinars/": (200, 200, 200, 200, 200, 200),
    "/login/": (200, 302, 302, 302, 302, 302),
    "/login/forgotten/": (200, 200, 200, 200, 200, 200),
    "/signup/": (200, 302, 302, 302, 302, 302),
    "/consent/": (200, 200, 200, 200, 200, 200),
    "/account/": (302, 200, 200, 200, 200, 200),
    "/account/contact_details": (302, 302, 302, 302, 302, 302),
    "/account/password/": (302, 200, 200, 200, 200, 200),
    "/account/contacts/": (302, 200, 200, 200, 200, 200),
    "/account/people/": (302, 403, 403, 403, 403, 200),
    "/account/audit/": (302, 403, 403, 403, 403, 200),
    "/account/data/": (302, 200, 200, 200, 200, 200),
    "/account/consent/": (302, 302, 302, 302, 302, 302),
    "/account/webinar_room/": (302, 200, 200, 200, 200, 200),
    "/account/webinar_room/{draft}/": (302, 404, 404, 404, 200, 200),
    "/account/webinar_room/{scheduled}/": (302, 200, 200, 200, 200, 200),
    "/account/webinar_room/{live}/": (302, 200, 200, 200, 200, 200),
    "/account/webinar_room/{paused}/": (302, 200, 200, 200, 200, 200),
    "/account/webinar_room/{finished}/": (302, 200, 200, 200, 200, 200),
    "/account/webinar_room/{archived}/": (302, 200, 200, 200, 200, 200),
    "/account/webinar_room/{live}/people": (302, 200, 200, 200, 200, 200),
    "/account/webinar_room/{draft}/people": (302, 404, 404, 404, 200, 200),
    "/account/webinar_room/999/": (302, 404, 404, 404, 404, 404),
    "/admin_webinar/": (302, 403, 403, 403, 200, 200),
    "/admin_webinar/new/": (302, 403, 403, 403, 200, 200),
    "/admin_webinar/{draft}/": (302, 403, 403, 403, 200, 200),
    "/admin_webinar/{scheduled}/": (302, 403, 403, 403, 200, 200),
    "/admin_webinar/{live}/": (302, 403, 403, 403, 200, 200),
    "/admin_webinar/{finished}/": (302, 403, 403, 403, 200, 200),
    "/admin_webinar/{archived}/": (302, 403, 403, 403, 200, 200),
    "/admin_webinar/999/": (302, 403, 403, 403, 404, 404),
    "/api/webinars/{scheduled}/state": (401, 200, 200, 200, 200, 200),
    "/api/webinars/{draft}/state": (401, 404, 404, 404, 200, 200),
    "/api/webinars/999/state": (401, 404, 404, 404, 404, 404),
    "/api/openapi.json": (200, 200, 200, 200, 200, 200),
    "/nowhere/": (404, 404, 404, 404, 404, 404),
}


@pytest.fixture
def webinars(make_webinar):
    states = ["draft", "scheduled", "live", "paused", "finished", "archived"]
    return {state: make_webinar(state).pk for state in states}


@pytest.fixture
def visitor(make_person):
    def visit(role: str) -> Client:
        client = Client()
        if role != "guest":
            client.force_login(make_person(Role(role)))
        return client

    return visit


@pytest.mark.parametrize("role", ROLES)
def test_each_role_gets_its_pages(webinars, visitor, role):
    client = visitor(role)
    answers = {page: client.get(page.format(**webinars)).status_code for page in PAGES}
    assert answers == {page: row[ROLES.index(role)] for page, row in PAGES.items()}


@pytest.mark.parametrize("role", ROLES)
def test_a_get_writes_nothing(webinars, visitor, role):
    client = visitor(role)
    for page in PAGES:
        with CaptureQueriesContext(connection) as queries:
            client.get(page.format(**webinars), headers={"accept": "text/html"})
        wrote = [query["sql"] for query in queries if not query["sql"].startswith("SELECT")]
        assert wrote == [], page


def test_a_guest_comes_back_to_the_room_after_logging_in(make_person, make_webinar):
    person = make_person(password="kandidat-2026")
    address = f"/account/webinar_room/{make_webinar('live').pk}/"
    client = Client()
    asked = client.get(address)
    assert asked.url == f"/login/?next={address}"
    answer = client.post("/login/", {"username": person.login, "password": "kandidat-2026", "next": address})
    assert answer.url == address


@pytest.mark.parametrize("page", ["/nowhere/", "/admin_webinar/"])
def test_an_error_page_says_what_to_do(visitor, page):
    answer = visitor("candidate").get(page)
    assert "/webinars/" in answer.content.decode()
    assert "<h1>" in answer.content.decode()


def test_the_page_of_a_failure_stands_alone(visitor, monkeypatch):
    from efir.webinars.views import schedule

    client = Client(raise_request_exception=False)
    monkeypatch.setattr(schedule.Programme, "read", lambda: 1 / 0)
    answer = client.get("/webinars/")
    assert answer.status_code == 500
    assert "Обновите страницу" in answer.content.decode()


@pytest.mark.parametrize("role", ROLES)
def test_no_page_has_anything_inline_or_from_elsewhere(webinars, visitor, role):
    client = visitor(role)
    for page in PAGES:
        html = client.get(page.format(**webinars), headers={"accept": "text/html"}).content.decode()
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", html), page
        # What says something about the page, as microdata or its canonical address, is not fetched.
        fetched = re.sub(r"<link (?:itemprop|rel=\"canonical\")[^>]*>", "", html)
        assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=\"(?:https?:)?//", fetched), page


def test_every_page_carries_the_policy_and_its_language(visitor):
    answer = visitor("guest").get("/webinars/", headers={"accept-language": "en"})
    assert "default-src 'self'" in answer["Content-Security-Policy"]
    assert answer["Content-Language"] == "en"
    assert '<html lang="en">' in answer.content.decode()


def test_the_language_is_switched_in_the_footer(visitor):
    client = visitor("guest")
    assert client.post("/i18n/setlang/", {"language": "en", "next": "/webinars/"}).url == "/webinars/"
    assert '<html lang="en">' in client.get("/webinars/").content.decode()


def test_every_control_is_for_post_alone(webinars, visitor):
    client = visitor("admin")
    live = webinars["live"]
    for action in (
        "start",
        "stop",
        "copy",
        "cta",
        "recording",
        "publish",
        "withdraw",
        "verdicts/1",
        "messages/retry",
    ):
        assert client.get(f"/admin_webinar/{live}/{action}").status_code == 405, action
    assert client.get(f"/webinars/{live}/seat").status_code == 405
    assert client.get("/logout/").status_code == 405


def test_no_page_asks_for_a_role_by_name():
    """Templates ask for capabilities: a role's name is only ever shown."""
    package = Path(efir.__file__).parent
    for template in package.glob("**/templates/**/*.html"):
        asked = re.findall(r"{% (?:el)?if ([^%]*)%}", template.read_text())
        assert not [
            words for words in asked if re.search(r"\b(role ==|is_staff|is_superuser|groups)", words)
        ] or (
            template.name == "people.html"  # the select marks the role that somebody has
        ), template
