"""What all pages have in common. Which role gets which page is in test_every_view."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

import efir
from efir.accounts.capabilities import Role
from tests.integration.pages import test_every_view as every_view
from tests.integration.pages.test_every_view import ROLES

pytestmark = pytest.mark.django_db

# A file that is taken along is written down; the health check asks for the names of the tables.
PAGES = [page for page in every_view.PAGES if not page.endswith((".csv", "/healthz"))]
PLACES = {"own": 1, "theirs": 2, "message": 1, "spoken": 1}


@pytest.fixture
def webinars(make_webinar):
    states = ["draft", "scheduled", "live", "paused", "finished", "archived"]
    return PLACES | {state: make_webinar(state).pk for state in states}


# Also a union, and what is read through a cursor of the server's.
READS = re.compile(r"\(?SELECT |DECLARE \S+ NO SCROLL CURSOR FOR \(?SELECT ")


@pytest.fixture
def visitor(make_person):
    def visit(role: str) -> Client:
        client = Client()
        if role != "guest":
            client.force_login(make_person(Role(role)))
        return client

    return visit


@pytest.mark.parametrize("role", ROLES)
def test_get_writes_nothing(webinars, visitor, role):
    client = visitor(role)
    for page in PAGES:
        with CaptureQueriesContext(connection) as queries:
            client.get(page.format(**webinars), headers={"accept": "text/html"})
        wrote = [query["sql"] for query in queries if not READS.match(query["sql"])]
        assert wrote == [], page


def test_login_returns_guest_to_the_room(make_person, make_webinar):
    person = make_person(password="kandidat-2026")
    address = f"/account/webinar_room/{make_webinar('live').pk}/"
    client = Client()
    asked = client.get(address)
    assert asked.url == f"/login/?next={address}"
    answer = client.post("/login/", {"username": person.login, "password": "kandidat-2026", "next": address})
    assert answer.url == address


@pytest.mark.parametrize("page", ["/nowhere/", "/admin_webinar/"])
def test_error_page_links_to_the_schedule(visitor, page):
    answer = visitor("candidate").get(page)
    assert "/webinars/" in answer.content.decode()
    assert "<h1>" in answer.content.decode()


def test_500_page_renders_without_the_base_template(visitor, monkeypatch):
    from efir.webinars import schedule

    client = Client(raise_request_exception=False)
    monkeypatch.setattr(schedule.Schedule, "read", lambda: 1 / 0)
    answer = client.get("/webinars/")
    assert answer.status_code == 500
    assert "Обновите страницу" in answer.content.decode()


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_pages_have_no_inline_code_and_no_foreign_sources(webinars, visitor, role):
    client = visitor(role)
    for page in PAGES:
        html = client.get(page.format(**webinars), headers={"accept": "text/html"}).content.decode()
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", html), page
        # What says something about the page, as microdata or its canonical address, is not fetched.
        fetched = re.sub(r"<link (?:itemprop|rel=\"canonical\")[^>]*>", "", html)
        assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=\"(?:https?:)?//", fetched), page


def test_pages_send_csp_and_content_language(visitor):
    answer = visitor("guest").get("/webinars/", headers={"accept-language": "en"})
    assert "default-src 'self'" in answer["Content-Security-Policy"]
    assert answer["Content-Language"] == "en"
    assert '<html lang="en">' in answer.content.decode()


def test_footer_switches_the_language(visitor):
    client = visitor("guest")
    assert client.post("/i18n/setlang/", {"language": "en", "next": "/webinars/"}).url == "/webinars/"
    assert '<html lang="en">' in client.get("/webinars/").content.decode()


def test_templates_check_capabilities_and_not_roles():
    """Templates may show a role's name, but decide by capabilities."""
    package = Path(efir.__file__).parent
    for template in package.glob("**/templates/**/*.html"):
        asked = re.findall(r"{% (?:el)?if ([^%]*)%}", template.read_text())
        assert not [
            words for words in asked if re.search(r"\b(role ==|is_staff|is_superuser|groups)", words)
        ] or (
            template.name == "people.html"  # the select marks the role that somebody has
        ), template
