"""What is answered before Django: who gets it, from where, and that it is what Django would have said."""

from __future__ import annotations

import asyncio
import gzip
import json
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.core.asgi import get_asgi_application
from django.db import OperationalError
from django.db.backends.utils import CursorWrapper
from django.test import Client
from PIL import Image

from efir.accounts.capabilities import Role
from efir.attendance.models import Participation
from efir.edge import posters, room_page
from efir.edge.application import EdgeApplication
from efir.lib.concurrency import in_thread
from efir.room import hub as hub_module
from efir.webinars import core, schedule
from efir.webinars.models import Webinar
from efir.webinars.posters.render import from_picture
from efir.webinars.posters.store import keep
from tests.conftest import SYSTEM, start, stop

pytestmark = pytest.mark.django_db(transaction=True)


class Answer:
    """What came back."""

    def __init__(self, messages):
        self.status = messages[0]["status"]
        self.headers = {name.lower().decode(): value.decode() for name, value in messages[0]["headers"]}
        self.body = b"".join(message.get("body", b"") for message in messages[1:])

    @property
    def text(self) -> str:
        packed = self.headers.get("content-encoding") == "gzip"
        return (gzip.decompress(self.body) if packed else self.body).decode()


class Site:
    """Efir's application with rooms that are open; counts what Django had to answer."""

    def __init__(self) -> None:
        self.hub = hub_module.open_hub()
        self.by_django = 0
        self._django = get_asgi_application()
        self.front = EdgeApplication(self._counted)

    async def _counted(self, scope, receive, send):
        self.by_django += 1
        await self._django(scope, receive, send)

    async def get(self, path, key="", method="GET", query=b"", cookies="", **headers) -> Answer:
        sent: list[dict] = []
        messages = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def receive():
            return next(messages, None) or await asyncio.Future()

        async def send(message):
            sent.append(message)

        cookie = "; ".join(filter(None, [f"sessionid={key}" if key else "", cookies]))
        named = {"host": "localhost", "accept": "text/html", **({"cookie": cookie} if cookie else {})}
        fields = {name.replace("_", "-"): value for name, value in (named | headers).items()}
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query,
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in fields.items()],
            "client": ("127.0.0.1", 1),
            "server": ("localhost", 80),
            "extensions": {},
        }
        await self.front(scope, receive, send)
        return Answer(sent)


@pytest.fixture
def run(monkeypatch, clock):
    """Runs a scenario with a site of its own; its rooms are gone afterwards. What is kept does not age by itself."""
    monkeypatch.setattr(hub_module, "_hub", None)
    monkeypatch.setattr(room_page, "KEPT_S", 3600)
    monkeypatch.setattr(schedule, "KEPT_S", 3600)

    def run(scenario):
        async def main():
            return await scenario(Site())

        return asyncio.run(main())

    return run


@pytest.fixture
def visitor(make_person):
    """Somebody with a session."""

    def make(role=Role.CANDIDATE, **fields):
        client = Client()
        client.person = make_person(role, **fields)
        client.force_login(client.person)
        client.key = client.session.session_key
        return client

    return make


@contextmanager
def statements():
    """Every SQL statement meanwhile, in whichever thread."""
    seen: list[str] = []
    execute = CursorWrapper.execute

    def noted(self, sql, params=None):
        if not sql.startswith(("PRAGMA", "SAVEPOINT", "RELEASE", "BEGIN")):
            seen.append(sql)
        return execute(self, sql, params)

    CursorWrapper.execute = noted
    yield seen
    CursorWrapper.execute = execute


class TestSchedule:
    def test_is_made_once_and_sent_from_memory(self, run, make_webinar):
        make_webinar(title="Как начать")

        async def scenario(site):
            pages = [await site.get("/webinars/") for _ in range(3)]
            return [page.text for page in pages], site.by_django

        texts, by_django = run(scenario)
        assert "Как начать" in texts[0]
        assert len(set(texts)) == by_django == 1

    def test_those_who_come_at_once_wait_for_one_making(self, run, make_webinar):
        make_webinar()

        async def scenario(site):
            pages = await asyncio.gather(*(site.get("/webinars/") for _ in range(50)))
            return {page.status for page in pages}, site.by_django

        assert run(scenario) == ({200}, 1)

    def test_a_change_is_on_it_at_once(self, run, make_webinar):
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

    def test_a_change_that_nobody_told_of_is_on_it_soon(self, run, make_webinar, monkeypatch):
        webinar = make_webinar(title="Прежнее")

        async def scenario(site):
            await site.get("/webinars/")
            await in_thread(core.edit, webinar.pk, {"title": "Новое"}, SYSTEM)
            later = site.hub.admission.schedule_cache._good_until + 1
            monkeypatch.setattr("efir.webinars.schedule.time.monotonic", lambda: later)
            return (await site.get("/webinars/")).text

        assert "Новое" in run(scenario)

    def test_the_time_itself_changes_it(self, run, make_webinar, clock):
        make_webinar(starts_at=clock.moment + timedelta(minutes=2))

        async def scenario(site):
            before = (await site.get("/webinars/")).text
            clock.move(180)
            return before, (await site.get("/webinars/")).text

        before, after = run(scenario)
        assert 'class="countdown"' in before
        assert 'class="countdown over"' in after

    def test_the_browser_is_told_where_nothing_has_changed(self, run, make_webinar):
        make_webinar()

        async def scenario(site):
            tag = (await site.get("/webinars/")).headers["etag"]
            return await site.get("/webinars/", if_none_match=tag)

        answer = run(scenario)
        assert (answer.status, answer.body) == (304, b"")
        assert "clock;dur=" in answer.headers["server-timing"]

    def test_it_is_packed_for_who_unpacks(self, run, make_webinar):
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

    def test_each_language_has_its_own(self, run, make_webinar):
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

    def test_an_inviters_code_is_djangos_and_is_remembered(self, run, make_person):
        partner = make_person(Role.PARTNER)

        async def scenario(site):
            answer = await site.get("/webinars/", query=f"ref={partner.ref_code}".encode())
            return answer.headers.get("set-cookie", ""), site.by_django

        cookie, by_django = run(scenario)
        assert f"efir_ref={partner.ref_code}" in cookie
        assert by_django == 1

    def test_an_unknown_host_is_refused_by_django(self, run, make_webinar):
        make_webinar()

        async def scenario(site):
            await site.get("/webinars/")
            return (await site.get("/webinars/", host="evil.example")).status

        assert run(scenario) == 400

    @pytest.mark.parametrize("cookies", ["sessionid=abc", "messages=x"])
    def test_somebody_is_djangos(self, run, make_webinar, cookies):
        make_webinar()

        async def scenario(site):
            await site.get("/webinars/")
            await site.get("/webinars/", cookies=cookies)
            return site.by_django

        assert run(scenario) == 2

    def test_it_holds_nothing_of_who_asked_first(self, run, make_webinar, visitor):
        make_webinar()
        token = "csrftoken=" + "a" * 32

        async def scenario(site):
            return await site.get("/webinars/", cookies=f"efir_ref=abcdefgh; {token}")

        answer = run(scenario)
        assert "abcdefgh" not in answer.text
        assert "csrfmiddlewaretoken" not in answer.text
        assert "set-cookie" not in answer.headers

    def test_djangos_headers_are_on_it(self, run, make_webinar):
        make_webinar()
        decided_here = {
            "cache-control",
            "etag",
            "vary",
            "server-timing",
            "expires",
            "content-length",
            "x-request-id",
        }

        async def scenario(site):
            kept = await site.get("/webinars/")
            plain = await site.get("/webinars/", query=b"x=1")
            return kept.headers, plain.headers, site.by_django

        kept, plain, by_django = run(scenario)
        assert by_django == 2
        assert {"content-security-policy", "x-frame-options", "referrer-policy"} <= set(kept)
        assert {k: v for k, v in kept.items() if k not in decided_here} == {
            k: v for k, v in plain.items() if k not in decided_here
        }


class TestRoom:
    @pytest.mark.parametrize("status", ["scheduled", "live", "paused", "finished"])
    def test_it_is_the_same_for_two_of_a_kind_and_made_once(
        self, run, make_webinar, visitor, make_person, status
    ):
        partner = make_person(Role.PARTNER)
        webinar = make_webinar(status)
        keys = [visitor(invited_by=partner).key, visitor(Role.CANDIDATE, invited_by=partner).key]

        async def scenario(site):
            pages = [await site.get(f"/account/webinar_room/{webinar.pk}/", key) for key in keys]
            kept = [page.text for page in pages], site.by_django
            site.front._room._pages._pages.clear()
            own = await site.get(f"/account/webinar_room/{webinar.pk}/", keys[1])
            return *kept, own.text

        (first, second), by_django, own = run(scenario)
        assert by_django == 1
        assert first == second == own
        assert "csrfmiddlewaretoken" not in first

    def test_each_kind_has_its_own(self, run, make_webinar, visitor, make_person):
        webinar = make_webinar("live")
        invited, alone = visitor(invited_by=make_person(Role.PARTNER)), visitor()

        async def scenario(site):
            return [
                (await site.get(f"/account/webinar_room/{webinar.pk}/", v.key)).text for v in (invited, alone)
            ]

        first, second = run(scenario)
        assert "Связаться с тем, кто меня пригласил" in first
        assert "Связаться с тем, кто меня пригласил" not in second

    def test_a_partner_has_a_page_of_their_own(self, run, make_webinar, visitor, make_person):
        webinar, leader = make_webinar("finished"), make_person(Role.LEADER)
        kinds = [visitor(role, invited_by=leader) for role in (Role.CANDIDATE, Role.PARTNER)]

        async def scenario(site):
            return [(await site.get(f"/account/webinar_room/{webinar.pk}/", v.key)).text for v in kinds]

        candidate, partner = run(scenario)
        assert ("Контакты пригласившего" in candidate, "Ваши приглашённые" in candidate) == (True, False)
        assert ("Контакты пригласившего" in partner, "Ваши приглашённые" in partner) == (False, True)

    def test_only_those_who_were_there_are_thanked(self, run, make_webinar, visitor):
        webinar = make_webinar("finished")
        there, absent = visitor(), visitor()
        Participation.objects.create(webinar=webinar, person=there.person, is_lead=True)

        async def scenario(site):
            return [(await site.get("/account/webinar_room/", v.key)).text for v in (there, absent)]

        thanked, other = run(scenario)
        assert ">Вебинар завершён. Спасибо, что были с нами!</h2>" in thanked
        assert ">Вебинар завершён</h2>" in other

    def test_of_several_on_air_it_is_the_one_with_a_seat(self, run, make_webinar, visitor):
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
    def test_it_costs_two_reads_at_most_and_no_write(self, run, make_webinar, visitor, status, path):
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

    def test_a_guest_is_sent_to_log_in(self, run, make_webinar):
        make_webinar("live")

        async def scenario(site):
            return [await site.get("/account/webinar_room/", key) for key in ("", "nobody")]

        for answer in run(scenario):
            assert answer.status == 302
            assert answer.headers["location"] == "/login/?next=/account/webinar_room/"

    def test_without_the_capability_it_is_403(self, run, make_webinar, visitor):
        webinar, member = make_webinar("live"), visitor()
        member.person.membership.delete()

        async def scenario(site):
            paths = ("/account/webinar_room/", f"/api/webinars/{webinar.pk}/state")
            answers = [await site.get(path, member.key) for path in paths]
            stream = await site.get(f"/account/webinar_room/{webinar.pk}/stream", member.key)
            return [answer.status for answer in (*answers, stream)]

        assert run(scenario) == [403, 403, 403]

    def test_a_draft_is_there_for_editors_alone(self, run, make_webinar, visitor):
        webinar = make_webinar("draft")
        keys = [visitor(role).key for role in (Role.CANDIDATE, Role.SPEAKER)]

        async def scenario(site):
            return [(await site.get(f"/account/webinar_room/{webinar.pk}/", key)).status for key in keys]

        assert run(scenario) == [404, 200]

    def test_a_message_for_somebody_is_shown_by_django(self, run, make_webinar, visitor):
        make_webinar("live")
        member = visitor()

        async def scenario(site):
            await site.get("/account/webinar_room/", member.key)
            await site.get("/account/webinar_room/", member.key, cookies="messages=x")
            return site.by_django

        assert run(scenario) == 2


class TestPosters:
    def test_a_file_is_read_once_and_sent_to_everybody(self, run):
        poster = keep(from_picture(Image.new("RGB", (960, 540))))
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

    def test_what_is_not_there_is_djangos_to_say(self, run):
        async def scenario(site):
            return [(await site.get(f"/posters/{'0' * 32}/{name}")).status for name in ("480.webp", "x")]

        assert run(scenario) == [404, 404]

    def test_memory_has_a_limit(self, run, monkeypatch):
        poster = keep(from_picture(Image.new("RGB", (960, 540))))
        monkeypatch.setattr(posters, "AT_MOST", 1)

        async def scenario(site):
            answers = [await site.get(f"/posters/{poster.pk}/{name}") for name in ("480.webp", "960.webp")]
            return [answer.status for answer in answers], len(site.front._posters._files)

        assert run(scenario) == ([200, 200], 0)


class TestProgramme:
    """What the schedule, the room and its state are answered from."""

    def test_those_who_ask_at_once_wait_for_one_read_and_fail_with_it(self, run, monkeypatch):
        reads = []

        def away():
            reads.append(1)
            raise OperationalError

        async def scenario(site):
            monkeypatch.setattr(schedule.Schedule, "read", away)
            asking = (site.hub.admission.schedule_cache.now() for _ in range(20))
            return await asyncio.gather(*asking, return_exceptions=True)

        assert {type(each) for each in run(scenario)} == {OperationalError}
        assert len(reads) == 1

    def test_changes_without_end_keep_nobody_waiting(self, run, make_webinar, monkeypatch):
        webinar = make_webinar()

        async def scenario(site):
            kept, read = site.hub.admission.schedule_cache, schedule.Schedule.read

            def read_while_something_changes():
                kept.changed()
                return read()

            monkeypatch.setattr(schedule.Schedule, "read", read_while_something_changes)
            return [(await kept.now()).get(webinar.pk) for _ in range(3)]

        assert run(scenario) == [webinar] * 3


class TestState:
    def test_it_is_what_django_says(self, run, make_webinar, visitor, clock):
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

    def test_every_change_is_in_it(self, run, make_webinar, visitor):
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

    def test_it_is_read_only(self, run, make_webinar, visitor):
        webinar, member = make_webinar("live"), visitor()

        async def scenario(site):
            return [
                (await site.get(f"/api/webinars/{webinar.pk}/state", member.key, method=method)).status
                for method in ("POST", "PUT", "PATCH", "DELETE")
            ]

        assert set(run(scenario)) == {405}
        assert Webinar.objects.get().version == webinar.version
