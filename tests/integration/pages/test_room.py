"""The room's page, the list of people, and the read-only API."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from efir.accounts.capabilities import Role
from efir.attendance.models import Participation, Verdict
from efir.hooks.models import JournalEntry
from efir.lib import clock as time
from efir.room import views
from efir.room.models import CtaPress, Opening, PresenceInterval, Recorder
from efir.room.presence_store import ALIVE_WITHIN
from efir.room.state import content_hash, player_version
from efir.site_settings import current
from efir.webinars import core
from efir.webinars.embeds import chat_frame_url
from tests.conftest import PLAYER, SYSTEM

pytestmark = pytest.mark.django_db
CHAT = "https://www.youtube.com/live_chat?v=abc"


def room_of(client: Client, webinar_id: int | str = "") -> str:
    address = f"/account/webinar_room/{webinar_id}/" if webinar_id else "/account/webinar_room/"
    return client.get(address).content.decode()


def screen_of(page: str) -> str:
    return page.split('data-screen="')[1].split('"', maxsplit=1)[0] if "data-screen" in page else ""


@pytest.mark.parametrize(
    ("state", "screen"),
    [
        ("scheduled", "scheduled"),
        ("live", "live"),
        ("paused", "paused"),
        ("finished", "finished"),
        ("archived", ""),
    ],
)
def test_page_renders_the_screen_of_each_status(member, make_webinar, state, screen):
    page = room_of(member, make_webinar(state).pk)
    assert screen_of(page) == screen
    assert "<nav" not in page


def test_withdrawn_webinar_has_its_own_screen(member, make_webinar):
    page = room_of(member, make_webinar(withdrawn=True).pk)
    assert screen_of(page) == "withdrawn"
    assert "Этот вебинар отменён" in page


@pytest.mark.parametrize("state", ["scheduled", "live", "paused", "finished", "archived"])
def test_page_has_no_player_or_chat_url(member, make_webinar, state):
    """They are handed out to those who open the broadcast."""
    page = room_of(member, make_webinar(state, player_url=PLAYER, chat_url=CHAT).pk)
    assert "youtube.com" not in page


def test_page_without_a_webinar_links_back(member):
    page = room_of(member)
    assert "Сейчас вебинара нет" in page
    assert 'href="/webinars/"' in page


def test_current_room_prefers_the_live_webinar_with_a_seat(member, make_webinar):
    first, second = make_webinar("live", title="С местом"), make_webinar("live", title="Позже")
    assert "Позже" in room_of(member)
    core.book_seat(first.pk, member.person)
    assert "С местом" in room_of(member)
    for webinar in (first, second):
        core.core_webinar_set_status(webinar.pk, "stop", SYSTEM)
    make_webinar(title="Ближайший")
    assert "Ближайший" in room_of(member)


def test_call_to_action_is_shown_while_visible(member, make_webinar):
    webinar = make_webinar("live")
    press = f'action="/account/webinar_room/{webinar.pk}/cta" target="_blank" rel="noopener"'
    row = f'<form class="cta-row" id="cta" method="post" {press}'
    page = room_of(member, webinar.pk)
    assert f"{row} hidden>" in page
    core.core_webinar_set_cta_visibility(webinar.pk, True, SYSTEM)
    page = room_of(member, webinar.pk)
    assert f"{row}>" in page
    core.core_webinar_set_status(webinar.pk, "stop", SYSTEM)
    assert f"{row} hidden>" in room_of(member, webinar.pk)


def test_call_to_action_without_an_inviter(member, make_webinar, make_person):
    invited = Client()
    invited.force_login(make_person(invited_by=make_person(Role.PARTNER)))
    for state in ("live", "finished"):
        webinar = make_webinar(state)
        for client, promised in ((invited, True), (member, False)):
            page = room_of(client, webinar.pk)
            assert ("Связаться с тем, кто меня пригласил" in page) == promised
            assert ("Напишите тому, кто вас пригласил" in page) == promised
            assert ("Задайте их ведущему" in page) != promised


@pytest.mark.parametrize("phone", ["", "+79990000000"])
def test_finished_room_shows_the_contact_to_uninvited_people(member, make_webinar, phone):
    current.save({"phone": phone}, SYSTEM)
    page = room_of(member, make_webinar("finished").pk)
    assert ('<a class="button huge" href="/account/contacts/">Кому задать вопрос</a>' in page) == bool(phone)
    assert ("Задайте их ведущему" in page) != bool(phone)
    assert page.count("К расписанию") == 1 + page.split('id="room"')[1].split('class="air"')[0].count(
        "К расписанию"
    )


def test_thanks_only_attendees(member, make_webinar, make_person):
    webinar = make_webinar("finished")
    heading = '<h2 tabindex="-1" id="thanks" data-thanks="Вебинар завершён. Спасибо, что были с нами!">'
    assert f"{heading}Вебинар завершён</h2>" in room_of(member, webinar.pk)
    Participation.objects.create(webinar=webinar, person=make_person(), is_lead=True)
    assert f"{heading}Вебинар завершён</h2>" in room_of(member, webinar.pk)
    Participation.objects.create(webinar=webinar, person=member.person, is_lead=True)
    assert f"{heading}Вебинар завершён. Спасибо" in room_of(member, webinar.pk)


def test_absentees_learn_about_the_recording(member, make_webinar):
    webinar, words = make_webinar("finished"), ("Когда запись опубликуют", "Запись уже готова")

    def told():
        return [each in room_of(member, webinar.pk) for each in words]

    assert told() == [False, False]
    verdict = Verdict.objects.create(
        webinar=webinar,
        lead=member.person,
        attended=None,
        reason="unknown",
        rule="",
        intervals=[],
        present_s=0,
        classified_at=time.now(),
    )
    assert told() == [False, False]
    Verdict.objects.filter(pk=verdict.pk).update(attended=False, reason="decided_by_admin")
    assert told() == [True, False]
    core.publish_recording(webinar.pk, "https://example.org/recording", SYSTEM)
    assert told() == [False, True]


@pytest.mark.parametrize(
    ("role", "step", "way_out"),
    [
        (Role.CANDIDATE, "Контакты пригласившего", ""),
        (Role.PARTNER, "Ваши приглашённые", "/account/"),
        (Role.SPEAKER, "Ваши приглашённые", "/admin_webinar/{}/"),
    ],
)
def test_next_step_depends_on_the_role(make_webinar, make_person, role, step, way_out):
    client, webinar = Client(), make_webinar("finished")
    client.force_login(make_person(role, invited_by=make_person(Role.LEADER)))
    page = room_of(client, webinar.pk)
    steps = [each for each in ("Контакты пригласившего", "Ваши приглашённые") if each in page]
    assert steps == [step]
    header = page.split("</header>")[0]
    assert ("way-out" in header) == bool(way_out)
    assert f'href="{way_out.format(webinar.pk)}" target="_blank" rel="noopener"' in header or not way_out


def test_finished_room_names_the_next_webinar(member, make_webinar, clock):
    over = make_webinar("finished")
    assert "Следующий вебинар" not in room_of(member, over.pk)
    make_webinar(title="Отменённый", starts_at=clock.moment + timedelta(days=1), withdrawn=True)
    later = make_webinar(title="Следом", starts_at=clock.moment + timedelta(days=2))
    page = room_of(member, over.pk)
    assert "Следующий вебинар" in page
    assert f'href="/webinars/#webinar-{later.pk}"' in page
    assert "Отменённый" not in page
    now = make_webinar("live", title="Идёт")
    page = room_of(member, over.pk)
    assert "Сейчас в эфире" in page
    assert f'href="/account/webinar_room/{now.pk}/"' in page
    assert "Следующий вебинар" not in page


@pytest.mark.parametrize("state", ["", "archived", "withdrawn"])
def test_closed_room_links_to_schedule_and_account(member, make_webinar, state):
    kinds = {
        "archived": lambda: make_webinar("archived").pk,
        "withdrawn": lambda: make_webinar(withdrawn=True).pk,
    }
    closed = room_of(member, kinds[state]() if state else "").split("closed")[1].split("</section>")[0]
    assert 'class="sign"' in closed
    assert 'href="/webinars/"' in closed
    assert 'href="/account/"' in closed


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(1, "скоро начнём, ждём ведущего</p>"), (31, "начало задерживается, ведущий ещё не начал эфир</p>")],
)
def test_waiting_room_says_when_the_start_is_overdue(clock, member, make_webinar, minutes, words):
    webinar = make_webinar(starts_at=clock.moment - timedelta(minutes=minutes))
    assert words in room_of(member, webinar.pk)


def test_page_says_what_counts_to_those_who_are_judged(member, make_webinar, make_person, settings):
    counts, partner = "Участие засчитывается, если смотреть эфир.", Client()
    partner.force_login(make_person(Role.PARTNER))
    settings.EFIR = replace(settings.EFIR, min_watched=50)
    webinar = make_webinar("live")
    assert counts in room_of(member, webinar.pk)
    assert counts not in room_of(partner, webinar.pk)
    settings.EFIR = replace(settings.EFIR, min_watched=0)
    assert counts in room_of(member, webinar.pk), "fixed at the start"
    for state in ("scheduled", "live"):
        assert counts not in room_of(member, make_webinar(state).pk)


def test_page_refreshes_without_javascript(member, make_webinar):
    page = room_of(member, make_webinar("live").pk)
    assert '<noscript><meta http-equiv="refresh" content="30"></noscript>' in page


def _live(*present: int) -> SimpleNamespace:
    return SimpleNamespace(count=lambda _: len(present))


class TestPeople:
    """The list of people in the room, as recorded by all web processes."""

    @pytest.fixture
    def webinar(self, make_webinar):
        return make_webinar("live")

    @pytest.fixture
    def recorder(self, clock):
        return Recorder.objects.create(started_at=clock.moment, pulsed_at=clock.moment)

    @pytest.fixture
    def enters(self, webinar, recorder, clock):
        """Somebody enters, a moment after whoever came before."""

        def enter(person, by=recorder):
            return PresenceInterval.objects.create(
                recorder=by, webinar=webinar, person=person, began_at=clock.move(0.01)
            )

        return enter

    @pytest.fixture
    def listing(self, member, webinar):
        return lambda page="": member.get(f"/account/webinar_room/{webinar.pk}/people{page}").json()

    def names(self, listing: dict) -> list[str]:
        return [each["name"] for each in listing["people"]]

    def test_lists_names_and_roles_in_order_of_arrival(self, member, listing, enters, make_person):
        partner = make_person(Role.PARTNER, name="Павел", login="+79991234567")
        enters(partner)
        enters(member.person)
        assert listing() == {
            "people": [
                {"name": "Павел", "role": "партнёр"},
                {"name": member.person.name, "role": "кандидат"},
            ],
            "total": 2,
            "page": 1,
            "pages": 1,
        }

    def test_empty_room(self, listing):
        assert listing() == {"people": [], "total": 0, "page": 1, "pages": 1}

    def test_is_paged(self, listing, enters, make_person):
        for number in range(1, 122):
            enters(make_person(name=f"Гость {number}"))
        first, second, third = (listing(f"?page={number}") for number in (1, 2, 3))
        assert [(page["total"], page["page"], page["pages"]) for page in (first, second, third)] == [
            (121, 1, 3),
            (121, 2, 3),
            (121, 3, 3),
        ]
        assert [len(page["people"]) for page in (first, second, third)] == [50, 50, 21]
        everybody = [name for page in (first, second, third) for name in self.names(page)]
        assert everybody == [f"Гость {number}" for number in range(1, 122)]
        assert listing() == first

    @pytest.mark.parametrize(
        ("asked", "given"), [("3", 2), ("9" * 30, 2), ("0", 2), ("-1", 2), ("x", 1), ("", 1), ("1.5", 1)]
    )
    def test_unknown_page_is_clamped(self, listing, enters, make_person, asked, given):
        for _ in range(51):
            enters(make_person())
        assert listing(f"?page={asked}")["page"] == given

    def test_queries_do_not_grow(self, listing, enters, make_person):
        listing()  # writes that the session is used, which happens once an hour
        costs = []
        for _ in range(2):
            for _ in range(60):
                enters(make_person())
            with CaptureQueriesContext(connection) as queries:
                listing("?page=2")
            costs.append(len(queries))
        assert costs[0] == costs[1]

    def test_skips_people_who_left(self, listing, enters, make_person, clock):
        enters(make_person(name="Здесь"))
        gone = enters(make_person(name="Ушёл"))
        gone.ended_at = clock.move(1)
        gone.save()
        assert self.names(listing()) == ["Здесь"]

    def test_skips_people_in_other_rooms(self, listing, recorder, make_webinar, make_person, clock):
        PresenceInterval.objects.create(
            recorder=recorder, webinar=make_webinar("live"), person=make_person(), began_at=clock.moment
        )
        assert listing()["total"] == 0

    def test_skips_people_of_a_dead_process(self, listing, enters, make_person, recorder, clock):
        enters(make_person())
        clock.moment = recorder.pulsed_at + ALIVE_WITHIN - timedelta(seconds=1)
        assert listing()["total"] == 1
        clock.move(1)
        assert listing()["total"] == 0

    def test_skips_people_of_a_closed_process(self, listing, enters, make_person, recorder, clock):
        enters(make_person())
        Recorder.objects.update(closed_at=clock.moment)
        assert listing()["total"] == 0

    def test_merges_processes(self, listing, enters, make_person, clock):
        other = Recorder.objects.create(started_at=clock.moment, pulsed_at=clock.moment)
        both, here, there = (make_person(name=name) for name in ("Везде", "Здесь", "Там"))
        enters(both)
        enters(there, other)
        enters(here)
        enters(both, other)
        assert (listing()["total"], self.names(listing())) == (3, ["Везде", "Там", "Здесь"])

    def test_order_is_stable_for_equal_arrivals(self, listing, recorder, webinar, make_person, clock):
        people = [make_person() for _ in range(60)]
        for person in reversed(people):
            PresenceInterval.objects.create(
                recorder=recorder, webinar=webinar, person=person, began_at=clock.moment
            )
        pages = self.names(listing("?page=1")) + self.names(listing("?page=2"))
        assert pages == [person.name for person in people]


class TestApi:
    def test_returns_the_same_object_as_the_stream(self, member, make_webinar, monkeypatch):
        monkeypatch.setattr(views, "current_hub", lambda: _live(1, 2, 3))
        webinar = make_webinar("live", chat_url=CHAT)
        state = member.get(f"/api/webinars/{webinar.pk}/state").json()
        assert state.pop("server_time").endswith("Z")
        assert state.pop("started_at").endswith("Z")
        assert state.pop("starts_at").endswith("Z")
        assert state == {
            "webinar_id": webinar.pk,
            "status": "live",
            "cta_visible": False,
            "version": webinar.version,
            "viewers": 3,
            "withdrawn": False,
            "words": content_hash(webinar),
            "player_version": player_version(webinar),
            "video": "embed",
            "signal": False,
            "talk": "embed",
        }

    @pytest.mark.parametrize(
        ("pasted", "framed"),
        [
            (CHAT, f"{CHAT}&embed_domain=efir.example.org"),
            (f"{CHAT}&embed_domain=old.example.com", f"{CHAT}&embed_domain=efir.example.org"),
            ("https://www.youtube.com/embed/abc", "https://www.youtube.com/embed/abc"),
            ("https://rutube.ru/live_chat?v=abc", "https://rutube.ru/live_chat?v=abc"),
            ("", ""),
        ],
    )
    def test_youtube_chat_gets_the_embed_domain(self, settings, pasted, framed):
        settings.EFIR = replace(settings.EFIR, public_url="https://efir.example.org:8443")
        assert chat_frame_url(pasted) == framed

    def test_content_hash_covers_what_the_page_shows(self, make_webinar, clock):
        webinar = make_webinar()
        marks = [content_hash(webinar)]
        for fields in (
            {"title": "Иначе"},
            {"speaker_name": "Вера"},
            {"description": "О другом"},
            {"starts_at": clock.moment + timedelta(days=2)},
            {"time_zone": "Asia/Yekaterinburg"},
        ):
            webinar = core.update(webinar.pk, fields, SYSTEM)
            marks.append(content_hash(webinar))
        assert len(set(marks)) == len(marks)
        core.update(webinar.pk, {"chat_url": CHAT}, SYSTEM)
        webinar = core.core_webinar_set_status(webinar.pk, "start", SYSTEM)
        assert content_hash(webinar) == marks[-1]

    @pytest.mark.parametrize("state", ["scheduled", "live", "paused", "finished"])
    def test_has_no_player(self, member, make_webinar, state):
        answer = member.get(f"/api/webinars/{make_webinar(state, chat_url=CHAT).pk}/state")
        assert "youtube" not in answer.content.decode()

    def test_player_version_changes_with_player_and_chat(self, make_webinar):
        webinar = make_webinar("live")
        marks = [player_version(webinar)]
        for fields in ({"chat_url": CHAT}, {"player_url": "https://rutube.ru/x"}, {"chat_url": ""}):
            marks.append(player_version(core.update(webinar.pk, fields, SYSTEM)))
        assert len(set(marks)) == 4
        core.core_webinar_set_cta_visibility(webinar.pk, True, SYSTEM)
        webinar.refresh_from_db()
        assert player_version(webinar) == marks[-1]

    @pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
    def test_is_read_only(self, make_webinar, make_person, method):
        webinar = make_webinar()
        for client in (Client(), Client(enforce_csrf_checks=True)):
            client.force_login(make_person(Role.ADMIN))
            assert getattr(client, method)(f"/api/webinars/{webinar.pk}/state").status_code == 405
        assert getattr(Client(), method)(f"/api/webinars/{webinar.pk}/state").status_code == 405

    def test_is_in_the_openapi_schema(self):
        paths = Client().get("/api/openapi.json").json()["paths"]
        assert list(paths) == ["/api/webinars/{webinar_id}/state"]
        assert list(paths["/api/webinars/{webinar_id}/state"]) == ["get"]

    @pytest.mark.parametrize("spelling", ["0{}", "{}x", "+{}", "{}.0", "-{}", "٣", "9" * 30])
    def test_id_with_another_spelling_is_404(self, member, make_webinar, spelling):
        address = spelling.format(make_webinar().pk)
        assert member.get(f"/api/webinars/{address}/state").status_code == 404
        assert member.get(f"/account/webinar_room/{address}/").status_code == 404


class TestWatch:
    @pytest.fixture
    def watch(self, member):
        return lambda webinar, client=member: client.post(f"/account/webinar_room/{webinar.pk}/watch")

    @pytest.mark.parametrize("state", ["live", "paused"])
    def test_hands_out_the_player(self, watch, make_webinar, state, settings):
        webinar = make_webinar(state, chat_url=CHAT)
        answer = watch(webinar)
        assert answer.json() == {
            "video": "embed",
            "url": PLAYER,
            "chat_url": f"{CHAT}&embed_domain={urlsplit(settings.EFIR.public_url).hostname}",
        }
        assert "no-store" in answer["Cache-Control"]
        webinar.refresh_from_db()
        assert webinar.chat_url == CHAT

    def test_recognizes_hls_addresses(self, watch, make_webinar):
        url = "https://video.example.org/live/a.m3u8"
        assert watch(make_webinar("live", player_url=url)).json() == {
            "video": "hls",
            "url": url,
            "chat_url": "",
        }

    def test_keeps_the_first_time(self, watch, make_webinar, member, clock):
        webinar, first = make_webinar("live"), clock.move(60)
        for _ in range(3):
            assert watch(webinar).status_code == 200
            clock.move(60)
        assert list(Opening.objects.values_list("webinar", "person", "opened_at")) == [
            (webinar.pk, member.person.pk, first)
        ]

    @pytest.mark.parametrize("state", ["scheduled", "finished", "archived"])
    def test_off_the_air_is_409(self, watch, make_webinar, state):
        answer = watch(make_webinar(state))
        assert (answer.status_code, answer.json()["error"]) == (409, "webinar_watch_invalid_state")
        assert not Opening.objects.exists()

    def test_needs_a_form_token(self, make_webinar, member):
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(member.person)
        assert strict.post(f"/account/webinar_room/{make_webinar('live').pk}/watch").status_code == 403
        assert not Opening.objects.exists()


class TestCtaPress:
    @pytest.fixture
    def shown(self, make_webinar):
        webinar = make_webinar("live")
        core.core_webinar_set_cta_visibility(webinar.pk, True, SYSTEM)
        return webinar

    @pytest.fixture
    def press(self, member):
        def post(webinar):
            return member.post(f"/account/webinar_room/{webinar.pk}/cta")

        return post

    def test_press_is_stored_once_with_its_first_time(self, press, shown, member, clock):
        first = clock.move(60)
        for _ in range(2):
            answer = press(shown)
            assert (answer.status_code, answer["Location"]) == (303, "/account/contacts/")
            clock.move(60)
        assert list(CtaPress.objects.values_list("webinar", "person", "pressed_at")) == [
            (shown.pk, member.person.pk, first)
        ]
        assert not JournalEntry.objects.filter(lead_id=member.person.pk).exists()

    def test_counts_in_a_pause(self, press, shown):
        core.pause(shown.pk, SYSTEM)
        press(shown)
        assert CtaPress.objects.count() == 1

    @pytest.mark.parametrize("state", ["scheduled", "live", "finished", "archived"])
    def test_press_without_a_button_is_not_stored(self, press, make_webinar, state):
        assert press(make_webinar(state)).status_code == 303
        assert not CtaPress.objects.exists()

    def test_press_after_hiding_or_the_stop_is_not_stored(self, press, shown):
        core.core_webinar_set_cta_visibility(shown.pk, False, SYSTEM)
        press(shown)
        core.core_webinar_set_cta_visibility(shown.pk, True, SYSTEM)
        core.core_webinar_set_status(shown.pk, "stop", SYSTEM)
        press(shown)
        assert not CtaPress.objects.exists()

    def test_needs_a_form_token_which_the_page_has(self, shown, member):
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(member.person)
        address = f"/account/webinar_room/{shown.pk}/cta"
        assert strict.post(address).status_code == 403
        form = strict.get(f"/account/webinar_room/{shown.pk}/").content.decode().split('id="cta"')[1]
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form)
        assert strict.post(address, {"csrfmiddlewaretoken": token[1]}).status_code == 303
        assert CtaPress.objects.count() == 1

    def test_guest_is_sent_to_log_in(self, shown):
        assert Client().post(f"/account/webinar_room/{shown.pk}/cta").url.startswith("/login/")
