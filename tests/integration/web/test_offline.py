"""The offline page with its service worker, and the demo's page of components."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.test import Client, RequestFactory

from efir.demo import components
from efir.hooks.actions import Context, Source
from efir.site_settings import current
from efir.site_settings.files import store
from efir.site_settings.logo import NAMES

KEPT = re.compile(r"const KEPT = \[(.*?)\];", re.DOTALL)
TOKEN = re.compile(r"--([a-z0-9-]+):")

pytestmark = pytest.mark.django_db


def worker(language: str = "ru") -> str:
    answer = Client(headers={"accept-language": language}).get("/offline.js")
    assert answer["Content-Type"].startswith("text/javascript")
    return answer.content.decode()


@pytest.fixture(params=["efir", "branded"])
def site(request):
    if request.param == "branded":
        store("d" * 32, dict.fromkeys(NAMES, b"picture"))
        current.save({"logo": "d" * 32, "accent": "#aa0000"}, Context(None, Source.CLI))


@pytest.mark.usefixtures("site")
def test_worker_caches_all_files_of_the_page():
    kept = set(re.findall(r'"([^"]+)"', KEPT.search(worker())[1]))
    html = Client().get("/offline/").content.decode()
    shown = set(
        re.findall(r'<(?:link rel="(?:icon|stylesheet)"|img|script)[^>]*?(?:href|src)="([^"]+)"', html)
    )
    assert shown == kept - {"/offline/"}
    assert "/offline/" in kept


def test_worker_changes_with_the_logo():
    before = worker()
    current.save({"logo": "d" * 32}, Context(None, Source.CLI))
    assert worker() != before


def test_worker_changes_with_the_language():
    assert worker("ru") != worker("en")
    assert worker("ru") == worker("ru")


def test_page_is_the_same_for_everybody(make_person):
    client = Client()
    before = client.get("/offline/").content
    client.force_login(make_person())
    assert client.get("/offline/").content == before


def test_policy_allows_own_worker_only():
    assert "worker-src 'self'" in Client().get("/webinars/")["Content-Security-Policy"]


def test_components_page_exists_in_the_demo_only():
    assert Client().get("/demo/components/").status_code == 404


def test_components_page_shows_existing_tokens(rf: RequestFactory):
    declared = set(TOKEN.findall(Path(finders.find("css/efir.css")).read_text(encoding="utf-8")))
    assert {*components.COLOURS, *components.SPACES} <= declared
    assert components.components(rf.get("/demo/components/")).status_code == 200
    assert settings.EFIR.demo is False
