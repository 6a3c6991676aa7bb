"""Sign-up and login from the edge's cache: the same pages and cookies as from Django, rendered once for each kind."""

from __future__ import annotations

import re
from datetime import timedelta
from http.cookies import SimpleCookie

import pytest
from django.middleware.csrf import _does_token_match
from django.test import Client

from efir.accounts.capabilities import Role
from efir.accounts.roles import assign_role
from efir.edge import page_cache
from efir.lib.concurrency import in_thread
from efir.webinars import core
from tests.conftest import SYSTEM
from tests.support.edge import token_of, without_token

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "a" * 32
# The page that the footer's language form leads back to has what counts of the query alone.
BACK = re.compile(r'<input type="hidden" name="next" value="/(?:signup|login)/[^"]*">')


def shown(page: str) -> str:
    return BACK.sub("", without_token(page))


def referral_cookie(header: str) -> dict[str, str]:
    """Return the inviter's cookie of a Set-Cookie header without its time, or nothing."""
    morsel = SimpleCookie(header).get("efir_ref")
    return {**morsel, "value": morsel.value, "expires": ""} if morsel else {}


@pytest.fixture
def names(make_person, make_webinar, clock):
    """Return what the addresses of the tests name: two partners' codes, a dead code, and webinars."""
    dead = make_person(Role.PARTNER, name="Бывший")
    assign_role(dead, Role.CANDIDATE)
    overdue = make_webinar("scheduled", title="Забытый", starts_at=clock.moment - timedelta(days=30))
    return {
        "anna": make_person(Role.PARTNER, name="Анна").ref_code,
        "boris": make_person(Role.LEADER, name="Борис").ref_code,
        "dead": dead.ref_code,
        **{status: make_webinar(status).pk for status in ("draft", "scheduled", "live", "finished")},
        "overdue": overdue.pk,
    }


@pytest.mark.slow
@pytest.mark.parametrize("remembered", ["", "anna", "dead"])
@pytest.mark.parametrize(
    "query",
    [
        "",
        "utm_source=vk",
        "ref={boris}",
        "ref=%C2%AB{boris}%C2%BB.",
        "ref={dead}",
        "ref=nobody",
        "ref={anna}&ref={boris}",
        "ref={boris}&webinar={scheduled}",
        "webinar={live}",
        "webinar={finished}",
        "webinar={draft}",
        "webinar={overdue}",
        "webinar=999999",
        "ref={boris}&webinar={live}&next=/account/",
        "next=/account/contacts/",
    ],
)
def test_sign_up_is_the_page_of_django(run, names, query, remembered):
    query = query.format(**names)
    cookies = {"csrftoken": SECRET} | ({"efir_ref": names[remembered]} if remembered else {})

    async def scenario(site):
        header = "; ".join(f"{name}={value}" for name, value in cookies.items())
        return [
            await site.get("/signup/", query=query.encode(), cookies=header) for _ in range(2)
        ], site.by_django

    (first, second), by_django = run(scenario)
    client = Client()
    client.cookies.load(cookies)
    plain = client.get(f"/signup/?{query}")
    assert by_django == 1
    assert shown(first.text) == shown(second.text) == shown(plain.content.decode())
    assert first.headers["cache-control"] == second.headers["cache-control"] == plain.headers["cache-control"]
    expected = referral_cookie(plain.cookies.output(header="").strip())
    assert referral_cookie(first.headers.get("set-cookie", "")) == expected
    assert referral_cookie(second.headers.get("set-cookie", "")) == expected


@pytest.mark.parametrize("query", ["", "next=/account/webinar_room/7/", "ref=abc&next=/a%3Fb%3D1%26c", "x=1"])
def test_log_in_is_the_page_of_django(run, query):
    async def scenario(site):
        answers = [
            await site.get("/login/", query=query.encode(), cookies=f"csrftoken={SECRET}") for _ in range(2)
        ]
        return answers, site.by_django

    (first, second), by_django = run(scenario)
    plain = Client().get(f"/login/?{query}")
    assert by_django == 1
    assert shown(first.text) == shown(second.text) == shown(plain.content.decode())
    assert first.headers["cache-control"] == plain.headers["cache-control"]
    assert token_of(first.text) != token_of(second.text)
    assert _does_token_match(token_of(second.text), SECRET)


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/signup/", "/login/"])
@pytest.mark.parametrize(
    ("query", "cookies"),
    [
        (b"next=https://evil.example/", ""),
        (b"next=//evil.example/", ""),
        (b"next=/\\evil.example", ""),
        (b"next=" + b"/" * 600, ""),
        (b"next=%FF", ""),
        (b"", "messages=x"),
        (b"", "sessionid=" + "s" * 32),
    ],
)
def test_unusual_request_is_left_to_django(run, path, query, cookies):
    async def scenario(site):
        for _ in range(2):
            await site.get(path, query=query, cookies=cookies)
        return site.by_django

    assert run(scenario) == 2


def test_logged_in_person_gets_no_form(run, visitor):
    member = visitor()

    async def scenario(site):
        return [(await site.get(path, member.key)).headers["location"] for path in ("/signup/", "/login/")]

    assert run(scenario) == ["/account/", "/account/"]


def test_form_without_cookie_brings_one_that_django_accepts(run):
    async def scenario(site):
        return [await site.get("/login/") for _ in range(2)]

    first, second = run(scenario)
    assert first.headers["set-cookie"] != second.headers["set-cookie"]
    cookie, _, attributes = first.headers["set-cookie"].partition("; ")
    plain = Client().get("/login/").cookies["csrftoken"].OutputString().partition("; ")[2]
    times = re.compile(r"expires=[^;]*")
    assert times.sub("", attributes) == times.sub("", plain)
    strict = Client(enforce_csrf_checks=True)
    strict.cookies["csrftoken"] = cookie.partition("=")[2]
    form = {"username": "a@example.org", "password": "b"}
    assert strict.post("/login/", form).status_code == 403
    token = {"csrfmiddlewaretoken": token_of(first.text)}
    assert strict.post("/login/", form | token).status_code == 200


def test_code_that_no_longer_counts_is_refused_at_once(run, make_person):
    partner = make_person(Role.PARTNER, name="Анна")
    query = f"ref={partner.ref_code}".encode()

    async def scenario(site):
        async with site.running():
            texts = []
            for role in (Role.CANDIDATE, Role.PARTNER):
                texts.append((await site.get("/signup/", query=query)).text)
                await in_thread(assign_role, partner, role)
            return [*texts, (await site.get("/signup/", query=query)).text]

    assert ["Вас приглашает <b>Анна</b>" in text for text in run(scenario)] == [True, False, True]


def test_sign_up_shows_a_change_of_the_webinar_at_once(run, make_webinar, clock):
    webinar = make_webinar("scheduled", title="Прежнее")
    query = f"webinar={webinar.pk}".encode()

    async def scenario(site):
        async with site.running():
            before = (await site.get("/signup/", query=query)).text
            await in_thread(core.update, webinar.pk, {"title": "Новое"}, SYSTEM)
            changed = (await site.get("/signup/", query=query)).text
            await in_thread(core.core_webinar_set_status, webinar.pk, "start", SYSTEM)
            return before, changed, (await site.get("/signup/", query=query)).text

    before, changed, live = run(scenario)
    assert "Прежнее" in before
    assert "Новое" in changed
    assert "идёт прямо сейчас" in live


def test_memory_has_a_limit(run, monkeypatch):
    monkeypatch.setattr(page_cache, "MAX_BYTES", 1)

    async def scenario(site):
        cache = site.handler("login/")._cache
        for number in range(5):
            await site.get("/login/", query=b"next=/%d" % number)
        return next(iter(cache._pages))[2], len(cache._pages), cache._bytes

    query, count, size = run(scenario)
    assert (query, count) == (b"next=%2F4", 1)
    assert size > 0
