"""What browsers keep for the time without a network; the demo's page of components."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.test import Client, RequestFactory

from efir.demo import components

KEPT = re.compile(r"const KEPT = \[(.*?)\];")
TOKEN = re.compile(r"--([a-z0-9-]+):")

pytestmark = pytest.mark.django_db


def worker(language: str = "ru") -> str:
    answer = Client(headers={"accept-language": language}).get("/offline.js")
    assert answer["Content-Type"].startswith("text/javascript")
    return answer.content.decode()


def test_the_worker_keeps_the_page_and_all_it_consists_of():
    kept = set(re.findall(r'"([^"]+)"', KEPT.search(worker())[1]))
    html = Client().get("/offline/").content.decode()
    shown = set(
        re.findall(r'<(?:link rel="(?:icon|stylesheet)"|img|script)[^>]*?(?:href|src)="([^"]+)"', html)
    )
    assert shown <= kept
    assert "/offline/" in kept


def test_it_is_another_one_in_another_language():
    assert worker("ru") != worker("en")
    assert worker("ru") == worker("ru")


def test_the_page_is_nobodys_own(make_person):
    client = Client()
    before = client.get("/offline/").content
    client.force_login(make_person())
    assert client.get("/offline/").content == before


def test_the_policy_lets_only_our_own_worker_in():
    assert "worker-src 'self'" in Client().get("/webinars/")["Content-Security-Policy"]


def test_components_are_shown_in_the_demo_alone():
    assert Client().get("/demo/components/").status_code == 404


def test_the_components_page_shows_tokens_that_there_are(rf: RequestFactory):
    declared = set(TOKEN.findall(Path(finders.find("css/efir.css")).read_text(encoding="utf-8")))
    assert {*components.COLOURS, *components.SPACES} <= declared
    assert components.components(rf.get("/demo/components/")).status_code == 200
    assert settings.EFIR.demo is False
