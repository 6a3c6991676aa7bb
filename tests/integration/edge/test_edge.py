"""Responses of the edge: who gets them, from which cache, and that they equal those of Django."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.contrib.messages import constants
from django.contrib.messages.storage.base import Message
from django.db import OperationalError
from django.db.backends.utils import CursorWrapper
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import _does_token_match
from django.test import Client
from PIL import Image

from efir.accounts.capabilities import Role
from efir.attendance.models import Participation
from efir.edge import cached_files
from efir.lib.concurrency import in_thread
from efir.room import openings
from efir.room.models import Opening
from efir.room.state import player_of
from efir.web.messages import HostCookieStorage
from efir.webinars import core, schedule
from efir.webinars.models import Webinar
from efir.webinars.posters.render import render_image
from efir.webinars.posters.store import store
from tests.conftest import SYSTEM, start, stop
from tests.support.edge import token_of, without_token

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def statements():
    """Collect the SQL statements of all threads."""
    seen: list[str] = []
    execute = CursorWrapper.execute

    def noted(self, sql, params=None):
        if not sql.startswith(("PRAGMA", "SAVEPOINT", "RELEASE", "BEGIN")):
            seen.append(sql)
        return execute(self, sql, params)

    CursorWrapper.execute = noted
    yield seen
    CursorWrapper.execute = execute


def message_cookie(*texts: str) -> str:
    """Return the cookie that Django makes of these messages."""
    storage, response = HostCookieStorage(HttpRequest()), HttpResponse()
    storage._store([Message(constants.SUCCESS, text) for text in texts], response)
    return response.cookies[storage.cookie_name].value


class TestSchedule:
    def test_rendered_once_and_served_from_memory(self, run, make_webinar):
        make_webinar(title="Как начать")

        async def scenario(site):
            pages = [await site.get("/webinars/") for _ in range(3)]
            return [page.text for page in pages], site.by_django

        texts, by_django = run(scenario)
        assert "Как начать" in texts[0]
        assert len(set(texts)) == by_django == 1

    def test_concurrent_requests_wait_for_one_rendering(self, run, make_webinar):
        make_webinar()

        async def scenario(site):
            pages = await asyncio.gather(*(site.get("/webinars/") for _ in range(50)))
            return {page.status for page in pages}, site.by_django

        assert run(scenario) == ({200}, 1)

    def test_shows_a_change_at_once(self, run, make_webinar):
        webinar = make_webinar()

        async def scenario(site):
            before = await site.get("/webinars/")
            await in_thread(start, webinar.pk, SYSTEM)
            site.hub.notify_changed([webinar.pk])
            await asyncio.sleep(0)
            return before.text, (await site.get("/webinars/")).text

        before, after = run(scenario)
        assert "идёт прямо сейчас" not in before
        assert "идёт прямо сейчас" in after

    def test_shows_an_unannounced_change_soon(self, run, make_webinar, monkeypatch):
        webinar = make_webinar(title="Прежнее")

        async def scenario(site):
            await site.get("/webinars/")
            await in_thread(core.update, webinar.pk, {"title": "Новое"}, SYSTEM)
            later = site.hub.admission.schedule_cache._good_until + 1
            monkeypatch.setattr("efir.webinars.schedule.time.monotonic", lambda: later)
            return (await site.get("/webinars/")).text

        assert "Новое" in run(scenario)

    def test_changes_with_the_time(self, run, make_webinar, clock):
        make_webinar(starts_at=clock.moment + timedelta(minutes=2))

        async def scenario(site):
            before = (await site.get("/webinars/")).text
            clock.move(180)
            return before, (await site.get("/webinars/")).text

        before, after = run(scenario)
        assert 'class="countdown"' in before
        assert 'class="countdown over"' in after

    def test_unchanged_page_is_304(self, run, make_webinar):
        make_webinar()

        async def scenario(site):
            tag = (await site.get("/webinars/")).headers["etag"]
            return await site.get("/webinars/", if_none_match=tag)

        answer = run(scenario)
        assert (answer.status, answer.body) == (304, b"")
        assert "clock;dur=" in answer.headers["server-timing"]

    def test_gzipped_if_accepted(self, run, make_webinar):
        make_webinar()

        async def scenario(site):
            return [
                await site.get("/webinars/", accept_encoding=takes)
                for takes in ("gzip, br", "gzip;q=0", "br")
            ]

        packed, refused, other = run(scenario)
        assert packed.headers["content-encoding"] == "gzip"
        assert len(packed.body) < len(other.body) / 2
        assert packed.text == refused.text == other.text
        assert "content-encoding" not in refused.headers | other.headers
        assert packed.headers["vary"] == "Accept-Encoding, Accept-Language, Cookie"

    def test_rendered_once_per_language(self, run, make_webinar):
        make_webinar()

        async def scenario(site):
            return [
                (await site.get(path, cookies=cookies, accept_language=accepts)).text
                for path in ("/webinars/", "/offline/")
                for cookies, accepts in [("", "ru"), ("", "en-GB, ru;q=0.5"), ("django_language=ru", "en")]
            ], site.by_django

        pages, by_django = run(scenario)
        assert by_django == 4
        assert [page.partition('<html lang="')[2][:2] for page in pages] == ["ru", "en", "ru"] * 2

    def test_unknown_host_is_refused_by_django(self, run, make_webinar):
        make_webinar()

        async def scenario(site):
            await site.get("/webinars/")
            return (await site.get("/webinars/", host="evil.example")).status

        assert run(scenario) == 400

    @pytest.mark.parametrize("cookies", ["sessionid=abc", "messages=x"])
    def test_personal_cookie_leaves_page_to_django(self, run, make_webinar, cookies):
        make_webinar()

        async def scenario(site):
            await site.get("/webinars/")
            await site.get("/webinars/", cookies=cookies)
            return site.by_django

        assert run(scenario) == 2

    def test_contains_nothing_of_the_first_visitor(self, run, make_webinar, visitor):
        make_webinar()
        token = "csrftoken=" + "a" * 32

        async def scenario(site):
            return await site.get("/webinars/", cookies=f"efir_ref=abcdefgh; {token}")

        answer = run(scenario)
        assert "abcdefgh" not in answer.text
        assert "csrfmiddlewaretoken" not in answer.text
        assert "set-cookie" not in answer.headers

    def test_has_the_headers_of_django(self, run, make_webinar):
        make_webinar()
        set_by_the_edge = {
            "cache-control",
            "etag",
            "vary",
            "server-timing",
            "expires",
            "content-length",
            "x-request-id",
        }

        async def scenario(site):
            cached = await site.get("/webinars/")
            plain = await site.get("/webinars/", query=b"x=" + b"1" * 500)
            return cached.headers, plain.headers, site.by_django

        cached, plain, by_django = run(scenario)
        assert by_django == 2
        assert {"content-security-policy", "x-frame-options", "referrer-policy"} <= set(cached)
        assert {k: v for k, v in cached.items() if k not in set_by_the_edge} == {
            k: v for k, v in plain.items() if k not in set_by_the_edge
        }


class TestRoom:
    @pytest.mark.parametrize("status", ["scheduled", "live", "paused", "finished"])
    def test_rendered_once_for_viewers_of_one_kind(self, run, make_webinar, visitor, make_person, status):
        partner = make_person(Role.PARTNER)
        webinar = make_webinar(status)
        keys = [visitor(invited_by=partner).key, visitor(Role.CANDIDATE, invited_by=partner).key]

        async def scenario(site):
            pages = [await site.get(f"/account/webinar_room/{webinar.pk}/", key) for key in keys]
            texts = [without_token(page.text) for page in pages], site.by_django
            site.handler("account/webinar_room/")._cache._pages.clear()
            own = await site.get(f"/account/webinar_room/{webinar.pk}/", keys[1])
            return *texts, without_token(own.text)

        (first, second), by_django, own = run(scenario)
        assert by_django == 1
        assert first == second == own

    @pytest.mark.parametrize("accepted", ["gzip", "identity"])
    def test_each_visitor_gets_their_own_form_token(self, run, make_webinar, visitor, accepted):
        webinar = make_webinar("live")
        people = [visitor() for _ in range(2)]
        secrets = ["a" * 32, "b" * 32]

        async def scenario(site):
            path = f"/account/webinar_room/{webinar.pk}/"
            pages = [
                await site.get(path, each.key, cookies=f"csrftoken={secret}", accept_encoding=accepted)
                for each, secret in zip(people, secrets, strict=True)
            ]
            return pages, site.by_django

        pages, by_django = run(scenario)
        assert by_django == 1
        tokens = [token_of(page.text) for page in pages]
        fits = [[_does_token_match(token, secret) for secret in secrets] for token in tokens]
        assert fits == [[True, False], [False, True]]
        assert pages[0].headers["content-length"] == str(len(pages[0].body)) == str(len(pages[1].body))
        assert pages[0].headers["etag"] != pages[1].headers["etag"]
        assert "set-cookie" not in pages[0].headers
        assert "no-cache" in pages[0].headers["cache-control"]

    def test_form_token_of_the_page_is_accepted(self, run, make_webinar, visitor):
        webinar, member = make_webinar("live"), visitor()

        async def scenario(site):
            return await site.get(f"/account/webinar_room/{webinar.pk}/", member.key)

        page = run(scenario)
        cookie, _, attributes = page.headers["set-cookie"].partition("; ")
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(attributes.split("; "))
        strict = Client(enforce_csrf_checks=True)
        strict.cookies["sessionid"], strict.cookies["csrftoken"] = member.key, cookie.partition("=")[2]
        address = f"/account/webinar_room/{webinar.pk}/watch"
        assert strict.post(address).status_code == 403
        assert strict.post(address, headers={"x-csrftoken": token_of(page.text)}).status_code == 200

    def test_unchanged_page_is_304_for_the_same_secret_alone(self, run, make_webinar, visitor):
        webinar, member = make_webinar("live"), visitor()

        async def scenario(site):
            async def get(secret, **headers):
                cookies = f"csrftoken={secret * 32}"
                return await site.get(
                    f"/account/webinar_room/{webinar.pk}/", member.key, cookies=cookies, **headers
                )

            tag = (await get("a")).headers["etag"]
            return [await get(secret, if_none_match=tag) for secret in "ab"]

        kept, anew = run(scenario)
        assert (kept.status, kept.body, anew.status) == (304, b"", 200)

    def test_rendered_per_kind_of_viewer(self, run, make_webinar, visitor, make_person):
        webinar = make_webinar("live")
        invited, alone = visitor(invited_by=make_person(Role.PARTNER)), visitor()

        async def scenario(site):
            return [
                (await site.get(f"/account/webinar_room/{webinar.pk}/", v.key)).text for v in (invited, alone)
            ]

        first, second = run(scenario)
        assert "Связаться с тем, кто меня пригласил" in first
        assert "Связаться с тем, кто меня пригласил" not in second

    def test_partner_sees_a_page_of_their_own(self, run, make_webinar, visitor, make_person):
        webinar, leader = make_webinar("finished"), make_person(Role.LEADER)
        kinds = [visitor(role, invited_by=leader) for role in (Role.CANDIDATE, Role.PARTNER)]

        async def scenario(site):
            return [(await site.get(f"/account/webinar_room/{webinar.pk}/", v.key)).text for v in kinds]

        candidate, partner = run(scenario)
        assert ("Контакты пригласившего" in candidate, "Ваши приглашённые" in candidate) == (True, False)
        assert ("Контакты пригласившего" in partner, "Ваши приглашённые" in partner) == (False, True)

    def test_only_attendees_are_thanked(self, run, make_webinar, visitor):
        webinar = make_webinar("finished")
        there, absent = visitor(), visitor()
        Participation.objects.create(webinar=webinar, person=there.person, is_lead=True)

        async def scenario(site):
            return [(await site.get("/account/webinar_room/", v.key)).text for v in (there, absent)]

        thanked, other = run(scenario)
        assert ">Вебинар завершён. Спасибо, что были с нами!</h2>" in thanked
        assert ">Вебинар завершён</h2>" in other

    def test_current_room_prefers_a_webinar_with_a_seat(self, run, make_webinar, visitor):
        first = make_webinar("live", title="С местом")
        make_webinar("live", title="Позже")
        seated, other = visitor(), visitor()
        core.book_seat(first.pk, seated.person)

        async def scenario(site):
            return [(await site.get("/account/webinar_room/", v.key)).text for v in (seated, other)]

        mine, theirs = run(scenario)
        assert "<h1>С местом</h1>" in mine
        assert "<h1>Позже</h1>" in theirs

    @pytest.mark.parametrize("status", ["scheduled", "live", "finished"])
    @pytest.mark.parametrize("path", ["/account/webinar_room/", "/account/webinar_room/{}/"])
    def test_costs_two_reads_at_most_and_no_write(self, run, make_webinar, visitor, status, path):
        webinar = make_webinar(status)
        keys = [visitor().key for _ in range(3)]

        async def scenario(site):
            await site.get(path.format(webinar.pk), keys[0])
            with statements() as seen:
                await site.get(path.format(webinar.pk), keys[1])
            first = list(seen)
            with statements() as seen:
                await site.get(path.format(webinar.pk), keys[1])
                await site.get(f"/api/webinars/{webinar.pk}/state", keys[1])
            return first, seen, site.by_django

        first, again, by_django = run(scenario)
        assert by_django == 1
        assert 1 <= len(first) <= 2
        assert all(sql.startswith("SELECT") for sql in first)
        assert len(again) == (1 if status == "finished" else 0)

    def test_guest_is_redirected_to_login(self, run, make_webinar):
        make_webinar("live")

        async def scenario(site):
            return [await site.get("/account/webinar_room/", key) for key in ("", "nobody")]

        for answer in run(scenario):
            assert answer.status == 302
            assert answer.headers["location"] == "/login/?next=/account/webinar_room/"

    def test_missing_capability_is_403(self, run, make_webinar, visitor):
        webinar, member = make_webinar("live"), visitor()
        member.person.membership.delete()

        async def scenario(site):
            paths = ("/account/webinar_room/", f"/api/webinars/{webinar.pk}/state")
            answers = [await site.get(path, member.key) for path in paths]
            stream = await site.get(f"/account/webinar_room/{webinar.pk}/stream", member.key)
            return [answer.status for answer in (*answers, stream)]

        assert run(scenario) == [403, 403, 403]

    def test_draft_is_visible_to_editors_only(self, run, make_webinar, visitor):
        webinar = make_webinar("draft")
        keys = [visitor(role).key for role in (Role.CANDIDATE, Role.SPEAKER)]

        async def scenario(site):
            return [(await site.get(f"/account/webinar_room/{webinar.pk}/", key)).status for key in keys]

        assert run(scenario) == [404, 200]

    @pytest.mark.parametrize("value", ["x", "tampered", "too long for the cookie"])
    def test_other_message_leaves_page_to_django(self, run, make_webinar, visitor, value):
        make_webinar("live")
        member = visitor()
        sent = {
            "x": "x",
            "tampered": message_cookie("Место за вами.") + "x",
            "too long for the cookie": message_cookie("Место за вами." * 900, "Да."),
        }[value]

        async def scenario(site):
            await site.get("/account/webinar_room/", member.key)
            await site.get("/account/webinar_room/", member.key, cookies=f"messages={sent}")
            return site.by_django

        assert run(scenario) == 2

    def test_message_is_rendered_once_for_all_who_have_it(self, run, make_webinar, visitor):
        make_webinar("live")
        people = [visitor() for _ in range(3)]
        token = f"csrftoken={'b' * 32}"
        first, other = (
            f"{token}; messages={message_cookie(text)}" for text in ("Место за вами.", "Вы вошли.")
        )

        async def scenario(site):
            path = "/account/webinar_room/"
            plain = await site.get(path, people[0].key, cookies=token)
            shown = [await site.get(path, person.key, cookies=first) for person in people]
            another = await site.get(path, people[0].key, cookies=other)
            again = await site.get(path, people[0].key)
            return plain, shown, another, again, site.by_django

        plain, shown, another, again, by_django = run(scenario)
        assert by_django == 3
        assert [answer.text.count("Место за вами.") for answer in (plain, *shown, another, again)] == [
            0, 1, 1, 1, 0, 0
        ]  # fmt: skip
        assert "Вы вошли." in another.text
        assert [answer.headers.get("set-cookie", "")[:13] for answer in (plain, *shown)] == [
            "", *['messages=""; '] * 3
        ]  # fmt: skip

    def test_guest_with_a_message_is_left_to_django(self, run, make_webinar):
        make_webinar("live")

        async def scenario(site):
            cookies = f"messages={message_cookie('Место за вами.')}"
            return (await site.get("/account/webinar_room/", cookies=cookies)).status

        assert run(scenario) == 302


class TestPosters:
    def test_read_once_and_served_from_memory(self, run):
        poster = store(render_image(Image.new("RGB", (960, 540))))
        address = f"/posters/{poster.pk}/480.webp"

        async def scenario(site):
            first = await site.get(address, accept_encoding="gzip")
            with statements() as seen:
                again = await site.get(address)
            known = await site.get(address, if_none_match=first.headers["etag"])
            return first, again, seen, known.status, site.by_django

        first, again, seen, known, by_django = run(scenario)
        plain = Client().get(address)
        assert first.body == again.body == plain.content
        assert (seen, known, by_django) == ([], 304, 0)
        for name in ("content-type", "cache-control", "x-content-type-options"):
            assert first.headers[name] == plain.headers[name], name
        assert "content-encoding" not in first.headers

    def test_missing_file_is_404(self, run):
        async def scenario(site):
            return [(await site.get(f"/posters/{'0' * 32}/{name}")).status for name in ("480.webp", "x")]

        assert run(scenario) == [404, 404]

    def test_memory_has_a_limit(self, run, monkeypatch):
        poster = store(render_image(Image.new("RGB", (960, 540))))
        monkeypatch.setattr(cached_files, "MAX_STORED_BYTES", 1)

        async def scenario(site):
            answers = [await site.get(f"/posters/{poster.pk}/{name}") for name in ("480.webp", "960.webp")]
            return [answer.status for answer in answers], len(site.handler("poster")._files)

        assert run(scenario) == ([200, 200], 0)


class TestScheduleCache:
    def test_concurrent_requests_share_one_read_and_its_error(self, run, monkeypatch):
        reads = []

        def away():
            reads.append(1)
            raise OperationalError

        async def scenario(site):
            monkeypatch.setattr(schedule.Schedule, "read", away)
            asking = (site.hub.admission.schedule_cache.get() for _ in range(20))
            return await asyncio.gather(*asking, return_exceptions=True)

        assert {type(each) for each in run(scenario)} == {OperationalError}
        assert len(reads) == 1

    def test_constant_changes_block_nobody(self, run, make_webinar, monkeypatch):
        webinar = make_webinar()

        async def scenario(site):
            cache, read = site.hub.admission.schedule_cache, schedule.Schedule.read

            def read_while_something_changes():
                cache.invalidate()
                return read()

            monkeypatch.setattr(schedule.Schedule, "read", read_while_something_changes)
            return [(await cache.get()).get(webinar.pk) for _ in range(3)]

        assert run(scenario) == [webinar] * 3


class TestState:
    def test_is_the_same_as_from_django(self, run, make_webinar, visitor, clock):
        webinar, member = make_webinar("live", chat_url="https://rutube.ru/chat"), visitor()

        async def scenario(site):
            mine = await site.get(f"/api/webinars/{webinar.pk}/state", member.key)
            by_django = site.by_django
            theirs = await site.get(
                f"/api/webinars/{webinar.pk}/state", member.key, query=b"x=1", method="HEAD"
            )
            plain = await in_thread(member.get, f"/api/webinars/{webinar.pk}/state")
            return json.loads(mine.text), by_django, theirs.status, plain.json()

        mine, by_django, _, theirs = run(scenario)
        assert mine == theirs
        assert by_django == 0

    def test_shows_every_change(self, run, make_webinar, visitor):
        webinar, member = make_webinar("live"), visitor()

        async def scenario(site):
            told = []
            for action in (None, stop):
                if action:
                    await in_thread(action, webinar.pk, SYSTEM)
                    site.hub.notify_changed([webinar.pk])
                    await asyncio.sleep(0)
                told.append(
                    json.loads((await site.get(f"/api/webinars/{webinar.pk}/state", member.key)).text)
                )
            return [state["status"] for state in told]

        assert run(scenario) == ["live", "finished"]

    def test_is_read_only(self, run, make_webinar, visitor):
        webinar, member = make_webinar("live"), visitor()

        async def scenario(site):
            return [
                (await site.get(f"/api/webinars/{webinar.pk}/state", member.key, method=method)).status
                for method in ("POST", "PUT", "PATCH", "DELETE")
            ]

        assert set(run(scenario)) == {405}
        assert Webinar.objects.get().version == webinar.version


class TestWatch:
    SECRET = "a" * 32

    @pytest.fixture
    def press(self):
        """Return what presses «Войти в эфир» as a page does."""

        async def press(site, webinar, key, **headers):
            headers = {"x_csrftoken": self.SECRET, "content_length": "0", "accept": "*/*"} | headers
            path = f"/account/webinar_room/{webinar.pk}/watch"
            return await site.get(path, key, "POST", cookies=f"csrftoken={self.SECRET}", **headers)

        return press

    def test_hands_out_the_player_without_django(self, run, make_webinar, visitor, press):
        webinar, member = make_webinar("live", chat_url="https://rutube.ru/chat"), visitor()

        async def scenario(site):
            answers = [await press(site, webinar, member.key) for _ in range(2)]
            by_django = site.by_django
            with statements() as seen:
                again = await press(site, webinar, member.key)
            return [*answers, again], by_django, seen

        answers, by_django, seen = run(scenario)
        assert by_django == 0
        for answer in answers:
            assert json.loads(answer.text) == player_of(webinar)
            assert answer.headers["cache-control"] == "no-store"
        assert all(sql.startswith("SELECT") for sql in seen)
        assert list(Opening.objects.values_list("webinar", "person")) == [(webinar.pk, member.person.pk)]

    def test_concurrent_openings_share_a_commit(self, run, make_webinar, visitor, press):
        webinar, people = make_webinar("live"), [visitor() for _ in range(30)]

        async def scenario(site):
            for each in people:
                await site.hub.admission.admit(each.key, webinar.pk)
            with statements() as seen:
                answers = await asyncio.gather(*(press(site, webinar, each.key) for each in people))
            return {answer.status for answer in answers}, sum(sql.startswith("INSERT") for sql in seen)

        statuses, inserts = run(scenario)
        assert statuses == {200}
        assert Opening.objects.count() == 30
        assert inserts <= 3

    def test_one_failure_fails_its_batch_alone(self, run, make_webinar, visitor, press, monkeypatch):
        webinar, member = make_webinar("live"), visitor()
        write = openings.record_openings
        calls = []

        def fail_first(pairs):
            calls.append(pairs)
            if len(calls) == 1:
                raise OperationalError
            return write(pairs)

        async def scenario(site):
            monkeypatch.setattr(openings, "record_openings", fail_first)
            return [(await press(site, webinar, member.key)).status for _ in range(2)], site.by_django

        assert run(scenario) == ([200, 200], 1)  # the first one by Django

    @pytest.mark.parametrize(
        "case",
        [
            ("scheduled", Role.CANDIDATE, {}, 409),
            ("finished", Role.CANDIDATE, {}, 409),
            ("draft", Role.CANDIDATE, {}, 404),
            ("live", None, {}, 401),
            ("live", Role.CANDIDATE, {"x_csrftoken": "b" * 32}, 403),
            ("live", Role.CANDIDATE, {"x_csrftoken": ""}, 403),
            ("live", Role.CANDIDATE, {"origin": "https://evil.example"}, 403),
            ("live", Role.CANDIDATE, {"content_length": "5"}, 200),
        ],
    )
    def test_everything_else_is_left_to_django(self, run, make_webinar, visitor, press, case):
        status, role, headers, expected = case
        webinar, key = make_webinar(status), visitor(role).key if role else ""

        async def scenario(site):
            return (await press(site, webinar, key, **headers)).status, site.by_django

        assert run(scenario) == (expected, 1)

    def test_stop_that_the_cache_has_not_heard_of_is_409(self, run, make_webinar, visitor, press):
        webinar, member = make_webinar("live"), visitor()

        async def scenario(site):
            await press(site, webinar, member.key)
            await in_thread(stop, webinar.pk, SYSTEM)
            return (await press(site, webinar, member.key)).status

        assert run(scenario) == 409
