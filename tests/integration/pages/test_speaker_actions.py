"""The speaker's page and its buttons: capabilities, calls of the hooks, answers, and forged requests."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from uuid import uuid4

import pytest
from django.test import Client

from efir.accounts.capabilities import Role
from efir.accounts.models import Person
from efir.attendance.models import Classification, Verdict
from efir.audit.models import AuditEntry
from efir.broadcast.models import BroadcastSession
from efir.hooks.models import JournalEntry
from efir.lib.clock import iso
from efir.room import presence_store
from efir.room.models import PresenceInterval, SpeakerPageSeen
from efir.room.presence import IntervalRow, Pending, RecorderRow
from efir.talk.models import Mute, TalkRoom
from efir.webinars import core
from efir.webinars.forms import WebinarForm
from efir.webinars.models import LedgerEntry, Webinar
from tests.conftest import PLAYER, SYSTEM, start, stop

pytestmark = pytest.mark.django_db
HTML = {"HTTP_ACCEPT": "text/html"}


@pytest.fixture
def speaker(as_role):
    return as_role(Role.SPEAKER)


@pytest.fixture
def admin(as_role):
    return as_role(Role.ADMIN)


def post(client: Client, webinar: Webinar, action: str = "", **data: str):
    return client.post(f"/admin_webinar/{webinar.pk}/{action}", data)


def stored(webinar: Webinar) -> Webinar:
    return Webinar.objects.get(pk=webinar.pk)


ACTIONS = {
    "start": {},
    "stop": {},
    "cta": {"visible": "true"},
    "recording": {"url": "https://rutube.ru/video/1/"},
    "publish": {},
    "delete": {},
    "withdraw": {"withdrawn": "true"},
    "verdicts/1": {"attended": "true"},
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("role", [Role.CANDIDATE, Role.PARTNER, Role.LEADER])
def test_action_needs_its_capability(as_role, make_webinar, action, role):
    webinar = make_webinar("live")
    answer = post(as_role(role), webinar, action, **ACTIONS[action])
    assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")
    assert stored(webinar).version == webinar.version


@pytest.mark.parametrize("action", ACTIONS)
def test_guest_is_refused_or_redirected_to_login(make_webinar, action):
    webinar = make_webinar("live")
    answer = post(Client(), webinar, action, **ACTIONS[action])
    assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")
    sent = Client().post(f"/admin_webinar/{webinar.pk}/{action}", ACTIONS[action], **HTML)
    assert sent.url.startswith("/login/?next=")


@pytest.mark.parametrize("action", ACTIONS)
def test_unknown_webinar_is_404(admin, action):
    answer = admin.post(f"/admin_webinar/999/{action}", ACTIONS[action])
    assert (answer.status_code, answer.json()["error"]) == (404, "webinar_not_found")
    assert admin.post(f"/admin_webinar/999/{action}", ACTIONS[action], **HTML).status_code == 404


@pytest.mark.parametrize(
    "spelling", ["0{}", "{}x", "+{}", "%20{}", "{}.0", "-{}", "٣", "99999999999999999999"]
)
def test_id_with_another_spelling_is_404(speaker, make_webinar, spelling):
    webinar = make_webinar()
    assert speaker.post(f"/admin_webinar/{spelling.format(webinar.pk)}/start").status_code == 404
    assert stored(webinar).status == "scheduled"


def test_csrf_token_is_required(as_role, make_webinar):
    webinar = make_webinar()
    client = as_role(Role.SPEAKER, enforce_csrf_checks=True)
    assert post(client, webinar, "start").status_code == 403
    assert stored(webinar).status == "scheduled"
    token = client.get("/webinars/").cookies["csrftoken"].value
    answer = client.post(f"/admin_webinar/{webinar.pk}/start", headers={"X-CSRFToken": token})
    assert answer.json()["status"] == "live"


def test_buttons_run_a_whole_webinar(speaker, make_webinar):
    webinar = make_webinar()
    started = post(speaker, webinar, "start").json()
    assert started == {
        "webinar_id": webinar.pk,
        "status": "live",
        "cta_visible": False,
        "version": webinar.version + 1,
        "withdrawn": False,
    }
    assert post(speaker, webinar, "start").json() == started
    assert post(speaker, webinar, "cta", visible="true").json()["cta_visible"] is True
    assert post(speaker, webinar, "cta", visible="false").json()["cta_visible"] is False
    assert post(speaker, webinar, "stop").json()["status"] == "finished"
    assert post(speaker, webinar, "start").json()["error"] == "webinar_state_invalid_restart"
    answer = post(speaker, webinar, "recording", url="https://rutube.ru/video/1/")
    assert answer.json()["recording_url"] == "https://rutube.ru/video/1/"


@pytest.mark.parametrize(("ahead", "asked"), [(59, False), (61, True)])
def test_early_start_asks_for_confirmation(clock, speaker, make_webinar, ahead, asked):
    webinar = make_webinar(starts_at=clock.moment + timedelta(minutes=ahead))
    page = speaker.get(f"/admin_webinar/{webinar.pk}/", **HTML).content.decode()
    (start,) = re.findall(r'<form method="post" action="[^"]+/start"[^>]*>', page)
    assert ("Вебинар объявлен на 23 ноября в 20:" in start) is asked
    assert speaker.post(f"/admin_webinar/{webinar.pk}/start").json()["status"] == "live"


def test_ledger_records_the_session_and_not_the_form(speaker, make_webinar, make_person):
    other = make_person(Role.ADMIN)
    webinar = make_webinar()
    post(speaker, webinar, "start", actor_id=str(other.pk), lead_id="1", source="system", person_id="7")
    entry = LedgerEntry.objects.latest("id")
    assert (entry.actor_id, entry.source) == (speaker.person.pk, "web")


REFUSED = {
    ("draft", "start"): "webinar_state_invalid_start",
    ("paused", "start"): "webinar_state_invalid_start",
    ("archived", "start"): "webinar_state_locked",
    ("draft", "stop"): "webinar_state_invalid_stop",
    ("scheduled", "stop"): "webinar_state_invalid_stop",
    ("scheduled", "cta"): "webinar_cta_invalid_state",
    ("finished", "cta"): "webinar_cta_invalid_state",
    ("archived", "cta"): "webinar_state_locked",
    ("live", "publish"): "webinar_state_invalid_rewind",
    ("live", "withdraw"): "webinar_state_locked",
    ("scheduled", "recording"): "webinar_recording_invalid_state",
}


@pytest.mark.parametrize(("state", "action"), REFUSED)
def test_refusal_is_409_with_its_code(speaker, make_webinar, state, action):
    webinar = make_webinar(state)
    answer = post(speaker, webinar, action, **ACTIONS[action])
    assert (answer.status_code, answer.json()["error"]) == (409, REFUSED[state, action])
    page = speaker.post(f"/admin_webinar/{webinar.pk}/{action}", ACTIONS[action], follow=True, **HTML)
    assert "notice error" in page.content.decode()
    assert stored(webinar).version == webinar.version


@pytest.mark.parametrize("visible", ["", "yes", "1", "True", "on"])
def test_visible_must_be_true_or_false(speaker, make_webinar, visible):
    webinar = make_webinar("live")
    answer = post(speaker, webinar, "cta", visible=visible)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_visible")
    assert not stored(webinar).cta_visible


@pytest.mark.parametrize(
    "url", ["", "x", "ftp://x.example/", "javascript:alert(1)", "//x.example/", "https://"]
)
def test_recording_must_be_a_url(speaker, make_webinar, url):
    webinar = make_webinar("finished")
    answer = post(speaker, webinar, "recording", url=url)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_url")
    assert stored(webinar).recording_url == ""


def test_invalid_recording_stays_in_the_form(speaker, make_webinar):
    webinar = make_webinar("finished")
    address = f"/admin_webinar/{webinar.pk}/recording"
    answer = speaker.post(address, {"url": "ftp://x"}, **HTML)
    page = answer.content.decode()
    assert answer.status_code == 400
    field = page.split('name="url"')[1].split(">")[0]
    assert 'value="ftp://x"' in field
    assert 'aria-invalid="true"' in field
    assert page.count("Это не адрес записи") == 2  # at the field, and on top
    assert f'action="{address}"' in page
    assert speaker.post("/admin_webinar/999/recording", {"url": "x"}, **HTML).status_code == 404


@pytest.mark.parametrize("action", ["start", "publish"])
def test_get_of_an_action_shows_a_405_page(speaker, make_webinar, action):
    address = f"/admin_webinar/{make_webinar().pk}/{action}"
    shown = speaker.get(address, **HTML)
    assert (shown.status_code, shown["Allow"]) == (405, "POST")
    assert "Здесь нет страницы" in shown.content.decode()
    assert speaker.get(address).content == b""


class TestPastStart:
    WARNING = "Время начала уже прошло"
    FIELDS = {"title": "Вчера", "length_min": "60", "time_zone": "Europe/Moscow", "player_url": PLAYER}

    @pytest.mark.parametrize(
        ("starts_at", "warned"), [("2026-11-23T18:59", True), ("2026-11-23T19:30", False)]
    )
    def test_saving_and_publishing_warn(self, clock, speaker, starts_at, warned):
        fields = self.FIELDS | {"starts_at": starts_at}
        made = speaker.post("/admin_webinar/new/", fields, follow=True, **HTML).content.decode()
        webinar = Webinar.objects.get()
        saved = speaker.post(f"/admin_webinar/{webinar.pk}/", fields, follow=True, **HTML).content.decode()
        published = speaker.post(f"/admin_webinar/{webinar.pk}/publish", follow=True, **HTML).content.decode()
        assert {self.WARNING in page for page in (made, saved, published)} == {warned}
        assert stored(webinar).status == "scheduled"

    def test_live_webinar_is_not_warned_about(self, clock, speaker, make_webinar):
        webinar = make_webinar("live", starts_at=clock.moment - timedelta(minutes=5))
        page = speaker.post(f"/admin_webinar/{webinar.pk}/", {"chat_url": ""}, follow=True, **HTML)
        assert self.WARNING not in page.content.decode()


def test_list_order(clock, speaker, make_webinar):
    for title, state, hours in (
        ("Поздний", "scheduled", 48),
        ("Давний", "finished", -72),
        ("Ближний", "draft", 1),
        ("Вчерашний", "finished", -24),
        ("Пропущенный", "scheduled", -48),
        ("В эфире", "live", -1),
    ):
        make_webinar(state, title=title, starts_at=clock.moment + timedelta(hours=hours))
    make_webinar("draft", title="Без времени", starts_at=None)
    page = speaker.get("/admin_webinar/").content.decode()
    titles = re.findall(r"<b>(.*?)</b>", page)
    assert titles == ["В эфире", "Ближний", "Поздний", "Без времени", "Вчерашний", "Пропущенный", "Давний"]
    parts = [re.findall(r"<b>(.*?)</b>", part)[0] for part in page.split("<h2>")[1:]]
    assert parts == ["В эфире", "Ближний", "Вчерашний"]


def test_list_counts_seats_of_candidates(speaker, make_webinar, make_person):
    webinar, _other = make_webinar(), make_webinar()
    for person in (make_person(), make_person(), make_person(Role.PARTNER)):
        core.book_seat(webinar.pk, person)
    start(webinar.pk, SYSTEM)
    stop(webinar.pk, SYSTEM)
    page = speaker.get("/admin_webinar/").content.decode()
    assert page.count("забронировано") == 1
    assert "2 места забронировано" in page


def test_action_redirects_a_person_with_a_message(speaker, make_webinar):
    webinar = make_webinar()
    answer = speaker.post(f"/admin_webinar/{webinar.pk}/start", follow=True, **HTML)
    assert answer.redirect_chain == [(f"/admin_webinar/{webinar.pk}/", 302)]
    assert "Эфир идёт." in answer.content.decode()


class TestForm:
    def test_draft_is_created_and_published(self, speaker):
        fields = {"title": "Новый", "starts_at": "2026-12-01T19:00", "time_zone": "Asia/Yekaterinburg"}
        fields |= {
            "length_min": "45",
            "player_url": f'<iframe src="{PLAYER}?a=1&amp;b=2" width="1"></iframe>',
        }
        answer = speaker.post("/admin_webinar/new/", fields)
        webinar = Webinar.objects.get()
        assert answer.url == f"/admin_webinar/{webinar.pk}/"
        assert webinar.starts_at == datetime(2026, 12, 1, 14, 0, tzinfo=UTC)
        assert webinar.player_url == f"{PLAYER}?a=1&b=2"
        assert post(speaker, webinar, "publish").json()["status"] == "scheduled"

    def test_incomplete_draft_is_not_published(self, speaker):
        speaker.post("/admin_webinar/new/", {"title": "Новый"})
        webinar = Webinar.objects.get()
        assert post(speaker, webinar, "publish").json()["error"] == "webinar_incomplete"
        assert "disabled" in speaker.get(f"/admin_webinar/{webinar.pk}/").content.decode()

    def test_stale_form_does_not_revert_untouched_fields(self, speaker, make_webinar):
        webinar = make_webinar(description="Было", title="Первое")
        page = speaker.get(f"/admin_webinar/{webinar.pk}/").content.decode()
        hidden = re.findall(r'<input type="hidden" name="(initial-[^"]+)"(?: value="([^"]*)")?', page)
        shown = {name: unescape(value) for name, value in hidden}
        post(speaker, webinar, title="Второе", player_url="https://rutube.ru/play/embed/2")
        stale = {name.removeprefix("initial-"): value for name, value in shown.items()} | shown
        post(speaker, webinar, **stale | {"description": "Стало", "poster_kept": shown["initial-poster"]})
        after = stored(webinar)
        assert (after.title, after.description) == ("Второе", "Стало")
        assert after.player_url == "https://rutube.ru/play/embed/2"
        assert after.starts_at == webinar.starts_at
        post(speaker, webinar, **stale | {"title": "Третье"})
        assert stored(webinar).title == "Третье"

    def test_published_webinar_keeps_its_player(self, speaker, make_webinar):
        webinar = make_webinar()
        answer = speaker.post(f"/admin_webinar/{webinar.pk}/", {"title": "Другое", "player_url": ""}, **HTML)
        page = answer.content.decode()
        assert answer.status_code == 400
        assert "это поле больше нельзя оставить пустым" in page
        assert 'value="Другое"' in page
        assert stored(webinar).player_url == PLAYER

    def test_only_sent_fields_change(self, speaker, make_webinar):
        webinar = make_webinar(description="Было", starts_at=datetime(2026, 12, 1, 16, 0, 30, tzinfo=UTC))
        post(speaker, webinar, title="Стало")
        after = stored(webinar)
        assert (after.title, after.description, after.starts_at) == ("Стало", "Было", webinar.starts_at)
        post(speaker, webinar, starts_at="2026-12-01T19:00", time_zone="Europe/Moscow")
        assert stored(webinar).starts_at == webinar.starts_at  # the same minute: nobody has moved it
        post(speaker, webinar, time_zone="Asia/Omsk", starts_at="2026-12-01T19:00")
        assert stored(webinar).starts_at == datetime(2026, 12, 1, 13, 0, tzinfo=UTC)

    def test_saving_keeps_status_and_visibility(self, speaker, make_webinar):
        webinar = make_webinar("live")
        post(speaker, webinar, "cta", visible="true")
        post(speaker, webinar, player_url="https://rutube.ru/play/embed/1")
        after = stored(webinar)
        assert (after.status, after.cta_visible) == ("live", True)
        assert after.player_url == "https://rutube.ru/play/embed/1"

    @pytest.mark.parametrize("state", ["draft", "scheduled", "live", "finished"])
    @pytest.mark.parametrize("forged", [{"status": "live"}, {"cta_visible": "on"}])
    def test_form_cannot_change_the_status(self, speaker, make_webinar, state, forged):
        webinar = make_webinar(state)
        answer = post(speaker, webinar, title="Другое", **forged)
        assert (answer.status_code, answer.json()["error"]) == (409, "webinar_status_mutation_forbidden")
        assert stored(webinar).version == webinar.version

    @pytest.mark.parametrize("state", ["live", "paused", "finished", "archived"])
    def test_locked_fields_are_409(self, speaker, make_webinar, state):
        webinar = make_webinar(state)
        answer = post(speaker, webinar, title="Другое")
        assert (answer.status_code, answer.json()["error"]) == (409, "webinar_state_locked")
        page = speaker.post(f"/admin_webinar/{webinar.pk}/", {"title": "Другое"}, **HTML)
        assert page.status_code == 409
        assert "Ничего не сохранено" in page.content.decode()
        assert stored(webinar).title == webinar.title

    def test_technical_fields_need_their_capability(self, speaker, admin, make_webinar):
        webinar = make_webinar()
        address = f"/admin_webinar/{webinar.pk}/"
        assert "forgotten_h" not in speaker.get(address).content.decode()
        assert post(speaker, webinar, forgotten_h="3").json()["error"] == "forbidden"
        assert stored(webinar).forgotten_h is None
        assert "forgotten_h" in admin.get(address).content.decode()
        post(admin, webinar, forgotten_h="3")
        assert stored(webinar).forgotten_h == 3

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("title", ""),
            ("time_zone", "Mars/Base"),
            ("time_zone", "../etc/passwd"),
            ("length_min", "0"),
            ("length_min", "x"),
            ("starts_at", "завтра"),
            ("starts_at", "2026-13-01T00:00"),
            ("player_url", "https://evil.example/"),
            ("player_url", "javascript:alert(1)"),
            ("player_url", "https://www.youtube.com/@channel/live"),
            ("chat_url", "https://vk.com/club1"),
            ("chat_url", "http://www.youtube.com/x"),
            ("chat_url", "https://evil.example/"),
        ],
    )
    def test_invalid_value_is_reported_and_nothing_saved(self, speaker, make_webinar, field, value):
        webinar = make_webinar()
        answer = post(speaker, webinar, **{field: value})
        assert (answer.status_code, list(answer.json()["fields"])) == (400, [field])
        page = speaker.post(f"/admin_webinar/{webinar.pk}/", {field: value}, **HTML).content.decode()
        assert "Не сохранено" in page
        assert stored(webinar).version == webinar.version

    def test_copied_page_url_becomes_an_embed_url(self, speaker, make_webinar):
        webinar = make_webinar("live")
        post(speaker, webinar, player_url="https://youtu.be/abc?t=5", chat_url="https://youtu.be/abc")
        after = stored(webinar)
        assert after.player_url == "https://www.youtube.com/embed/abc?start=5"
        assert after.chat_url.startswith("https://www.youtube.com/live_chat?v=abc&embed_domain=")

    def test_skipped_local_time_is_refused(self, speaker, make_webinar):
        webinar = make_webinar()
        answer = post(speaker, webinar, starts_at="2027-03-28T02:30", time_zone="Europe/Berlin")
        assert list(answer.json()["fields"]) == ["starts_at"]


class TestPanel:
    OFFERED = {
        "scheduled": {"start", "withdraw"},
        "live": {"stop", "cta", "recording"},
        "paused": {"stop", "cta", "recording"},
        "finished": {"recording"},
        "archived": set(),
    }

    @pytest.mark.parametrize("state", OFFERED)
    def test_offers_actions_and_explains_the_others(self, speaker, make_webinar, state):
        webinar = make_webinar(state)
        page = speaker.get(f"/admin_webinar/{webinar.pk}/").content.decode()
        for action in ("start", "stop", "cta"):
            form = page.split(f'action="/admin_webinar/{webinar.pk}/{action}"')[1].split("</form>")[0]
            assert ("disabled" not in form) == (action in self.OFFERED[state]), action
            assert "disabled" not in form or 'class="hint"' in form
        for action in ("withdraw", "recording"):
            assert (f"/{action}" in page) == (action in self.OFFERED[state]), action

    @pytest.mark.parametrize(
        ("state", "collapsed"), [("scheduled", False), ("live", False), ("finished", True)]
    )
    def test_panel_is_folded_once_finished(self, speaker, make_webinar, state, collapsed):
        page = speaker.get(f"/admin_webinar/{make_webinar(state).pk}/").content.decode()
        assert ("Кнопки эфира больше не действуют" in page) == collapsed

    def test_start_is_folded_on_air_and_pause_is_explained(self, speaker, make_webinar):
        live, paused = (
            speaker.get(f"/admin_webinar/{make_webinar(state).pk}/").content.decode()
            for state in ("live", "paused")
        )
        assert "/start" not in live.split('id="not-now"')[0]
        assert "efir webinar resume" in paused
        assert "не запланирован" not in paused

    def test_draft_lists_missing_fields(self, speaker, make_webinar):
        webinar = make_webinar("draft", player_url="")
        page = speaker.get(f"/admin_webinar/{webinar.pk}/").content.decode()
        assert "Чтобы опубликовать, заполните: плеер." in page

    def test_recording_form_is_folded_while_live(self, speaker, make_webinar):
        live, over = (
            speaker.get(f"/admin_webinar/{make_webinar(state).pk}/").content.decode()
            for state in ("live", "finished")
        )
        assert '<details class="card fold" id="recording">' in live
        assert over.index('<section class="card" id="recording">') < over.index('id="after"')

    def test_both_call_to_action_buttons_have_distinct_names(self, speaker, make_webinar):
        page = speaker.get(f"/admin_webinar/{make_webinar('live').pk}/").content.decode()
        assert "Кнопка «Связаться…» в комнате" in page
        assert "Надпись на кнопке в расписании" in page

    def test_withdrawn_webinar_must_be_put_back_to_start(self, speaker, make_webinar):
        webinar = make_webinar()
        assert post(speaker, webinar, "withdraw", withdrawn="true").json()["withdrawn"] is True
        assert post(speaker, webinar, "start").json()["error"] == "webinar_withdrawn"
        assert "Сначала верните" in speaker.get(f"/admin_webinar/{webinar.pk}/").content.decode()
        post(speaker, webinar, "withdraw", withdrawn="false")
        assert post(speaker, webinar, "start").json()["status"] == "live"


class TestVerdicts:
    @pytest.fixture
    def held(self, make_webinar, make_person):
        webinar = make_webinar("finished")
        return Verdict.objects.create(
            webinar=webinar,
            lead=make_person(name="Кирилл"),
            reason="unknown",
            why_unknown="process_died",
            rule="end_gap_within_grace grace_s=90 settle_s=60",
            intervals=[["2026-11-23T16:00:00Z", "2026-11-23T16:31:00Z"]],
            present_s=1860,
            classified_at=webinar.finished_at + timedelta(minutes=1),
        )

    def test_held_verdict_shows_reason_and_intervals(self, admin, speaker, held):
        for client, decides in ((admin, True), (speaker, False)):
            page = client.get(f"/admin_webinar/{held.webinar_id}/").content.decode()
            for words in ("Кирилл", "ждёт решения", "19:00–19:31", "без пригласившего"):
                assert words in page
            assert (f"/verdicts/{held.lead_id}" in page) == decides

    def test_evidence_that_came_later_is_shown_beside_a_held_verdict(self, admin, held, make_webinar, clock):
        webinar = make_webinar("live")
        began, ended = clock(), clock.move(3600)
        stop(webinar.pk, SYSTEM)
        Verdict.objects.filter(pk=held.pk).update(webinar=webinar)
        died = RecorderRow(uuid4(), began, began + timedelta(seconds=1))
        Classification.objects.create(
            webinar=webinar, done_at=ended, heartbeats={str(died.id): iso(died.pulsed_at)}
        )
        row = IntervalRow(died.id, webinar.pk, held.lead_id, began)
        words = "Позже пришли отметки другого сервера. По ним в эфире: 19:00"
        presence_store.write(Pending((died,), (row,)))
        assert words not in admin.get(f"/admin_webinar/{webinar.pk}/").content.decode()
        presence_store.write(Pending((replace(died, pulsed_at=ended),), ()))
        page = admin.get(f"/admin_webinar/{webinar.pk}/").content.decode()
        assert words in page
        assert "участие засчитано, до конца." in page

    @pytest.mark.parametrize(("present_s", "words"), [(1860, "31 минута"), (20, "меньше минуты"), (0, ">—<")])
    def test_attended_time_in_words(self, speaker, held, present_s, words):
        Verdict.objects.filter(pk=held.pk).update(present_s=present_s, intervals=[])
        assert words in speaker.get(f"/admin_webinar/{held.webinar_id}/").content.decode()

    def test_cells_have_labels_for_phones(self, admin, held):
        page = admin.get(f"/admin_webinar/{held.webinar_id}/").content.decode()
        rows = page.split('id="verdicts"')[1].split("<tbody>")[1].split("</tbody>")[0]
        assert rows.count("<td data-label=") == rows.count("<td") - rows.count("<tr>")

    def test_admin_decides_once(self, admin, held):
        answer = post(admin, held.webinar, f"verdicts/{held.lead_id}", attended="true", lead_id="1")
        assert answer.json()["attended"] is True
        assert answer.json()["reason"] == "decided_by_admin"
        again = post(admin, held.webinar, f"verdicts/{held.lead_id}", attended="false")
        assert again.json()["attended"] is True
        entry = JournalEntry.objects.get(event="client_webinar_attendance_classified")
        assert (entry.lead_id, entry.actor_id) == (held.lead_id, admin.person.pk)

    def test_speaker_cannot_decide(self, speaker, held):
        answer = post(speaker, held.webinar, f"verdicts/{held.lead_id}", attended="true")
        assert answer.status_code == 403
        held.refresh_from_db()
        assert held.attended is None

    def test_partner_sees_decided_verdicts_only(self, make_person, held, admin):
        partner = make_person(Role.PARTNER)
        lead = make_person(invited_by=partner, name="Ольга")
        Verdict.objects.filter(pk=held.pk).update(lead=lead)
        client = Client()
        client.force_login(partner)
        address = f"/account/candidates/{lead.pk}/"
        assert "неизвестно" not in client.get(address).content.decode()
        post(admin, held.webinar, f"verdicts/{lead.pk}", attended="true")
        assert "участие засчитано" in client.get(address).content.decode()
        assert "участие засчитано" in client.get("/account/").content.decode()


class TestDeletingADraft:
    def test_browser_is_asked_and_nothing_is_deleted_yet(self, speaker, make_webinar):
        draft = make_webinar("draft", title="Набросок")
        page = speaker.post(f"/admin_webinar/{draft.pk}/delete", **HTML)
        assert "Удалить черновик?" in page.content.decode()
        assert "Набросок" in page.content.decode()
        assert stored(draft)

    def test_confirmed_draft_is_gone_with_what_happened_in_its_room(self, speaker, make_webinar, clock):
        draft = make_webinar("draft", title="Набросок", talk="chat")
        person = speaker.person
        recorder = RecorderRow(uuid4(), clock(), clock())
        seen = IntervalRow(recorder.id, draft.pk, person.pk, clock(), None)
        presence_store.write(Pending((recorder,), (seen,), (seen,)), {draft.pk: clock()})
        TalkRoom.objects.create(webinar=draft)
        Mute.objects.create(webinar=draft, person=person)
        answer = speaker.post(f"/admin_webinar/{draft.pk}/delete", {"confirmed": "yes"}, **HTML)
        assert answer.url == "/admin_webinar/"
        assert not Webinar.objects.exists()
        (entry,) = AuditEntry.objects.filter(action="webinar_deleted")
        assert (entry.webinar_id, entry.actor_id) == (draft.pk, person.pk)
        assert entry.details["changes"] == {"title": ["Набросок", None]}

    @pytest.mark.parametrize("status", ["scheduled", "live", "paused", "finished", "archived"])
    def test_published_webinar_cannot_be_deleted(self, speaker, make_webinar, status):
        webinar = make_webinar(status)
        answer = post(speaker, webinar, "delete")
        assert (answer.status_code, answer.json()["error"]) == (409, "webinar_state_locked")
        sent = speaker.post(f"/admin_webinar/{webinar.pk}/delete", **HTML)
        assert sent.url == f"/admin_webinar/{webinar.pk}/"
        assert stored(webinar).version == webinar.version

    def test_draft_with_a_rehearsal_stays(self, speaker, make_webinar):
        draft = make_webinar("draft")
        BroadcastSession.objects.create(webinar=draft)
        answer = post(speaker, draft, "delete")
        assert (answer.status_code, answer.json()["error"]) == (409, "webinar_state_locked")
        assert stored(draft)
        assert not AuditEntry.objects.filter(action="webinar_deleted").exists()
        sent = speaker.post(f"/admin_webinar/{draft.pk}/delete", {"confirmed": "yes"}, follow=True, **HTML)
        assert "Возьмите его для следующего вебинара" in sent.content.decode()

    @pytest.mark.django_db(transaction=True)  # SQLite checks references at the commit
    def test_presence_recorded_later_is_dropped_alone(self, speaker, make_webinar, make_person, clock):
        draft, live = make_webinar("draft"), make_webinar("live")
        viewer = make_person()
        recorder = RecorderRow(uuid4(), clock(), clock())
        rows = tuple(
            IntervalRow(recorder.id, webinar.pk, viewer.pk, clock(), None) for webinar in (draft, live)
        )
        assert post(speaker, draft, "delete").status_code == 200
        presence_store.write(Pending((recorder,), rows, ()), {draft.pk: clock(), live.pk: clock()})
        assert [row.webinar_id for row in PresenceInterval.objects.all()] == [live.pk]
        assert [row.webinar_id for row in SpeakerPageSeen.objects.all()] == [live.pk]


def test_copy_keeps_every_field_that_the_form_has(admin, make_webinar):
    kept = {
        "title": "Образец",
        "description": "О чём",
        "speaker_name": "Анна",
        "time_zone": "Asia/Omsk",
        "length_min": 45,
        "video": "embed",
        "player_url": PLAYER,
        "auto_publish": True,
        "talk": "embed",
        "chat_url": "https://www.youtube.com/live_chat?v=abc",
        "talk_hold": "first",
        "talk_slow_s": 30,
        "talk_words": "слово",
        "cta_text": "Записаться",
        "stream_type": "obs",
        "forgotten_h": 3.0,
    }
    source = make_webinar("finished", **kept)
    with_poster = {"poster", "starts_at"}  # the poster has its own test, the time is new
    assert kept.keys() == WebinarForm.base_fields.keys() - with_poster
    copied = Webinar.objects.get(pk=post(admin, source, "copy").json()["webinar_id"])
    assert {name: getattr(copied, name) for name in kept} == kept


def test_bad_address_left_in_the_hidden_field_does_not_stop_an_own_broadcast(speaker):
    fields = {"video": "own", "player_url": "https://nowhere.example/live"}
    created = {"title": "Эфир", "time_zone": "Europe/Moscow", "length_min": "60", **fields}
    assert speaker.post("/admin_webinar/new/", created, **HTML).status_code == 302
    assert Webinar.objects.get().player_url == ""
    assert speaker.post("/admin_webinar/player/", fields, **HTML).status_code == 200
    framed = speaker.post("/admin_webinar/new/", created | {"video": "embed"}, **HTML)
    assert framed.status_code == 400


class TestTrialOfAPlayer:
    def page(self, client: Client, **given: str):
        answer = client.post("/admin_webinar/player/", given, **HTML)
        return answer.status_code, unescape(answer.content.decode())

    def test_address_of_a_page_is_framed_as_in_the_room(self, speaker):
        status, page = self.page(speaker, video="embed", player_url="https://youtu.be/abc")
        assert status == 200
        assert '<iframe src="https://www.youtube.com/embed/abc"' in page

    def test_playlist_is_played(self, speaker, settings):
        settings.HLS_ORIGINS = ("https://live.example",)
        status, page = self.page(speaker, video="hls", player_url="https://live.example/x.m3u8")
        assert status == 200
        assert 'data-url="https://live.example/x.m3u8"' in page
        assert "room/player_trial" in page

    def test_unknown_host_is_named_with_the_setting(self, speaker):
        status, page = self.page(speaker, video="embed", player_url="https://play.example/1")
        assert status == 400
        assert "play.example в настройку EFIR_FRAME_HOSTS" in page
        assert "<iframe" not in page

    def test_own_broadcast_leads_to_the_studio_of_a_saved_webinar(self, speaker, make_webinar):
        webinar = make_webinar("draft", video="own", player_url="")
        status, page = self.page(speaker, video="own", webinar=str(webinar.pk))
        assert status == 200
        assert f"/admin_webinar/{webinar.pk}/studio/" in page
        assert "/studio/" not in self.page(speaker, video="own", webinar="x")[1]

    def test_nothing_to_show_is_said(self, speaker):
        status, page = self.page(speaker, video="embed")
        assert status == 200
        assert "Показывать пока нечего" in page

    def test_nothing_is_written(self, speaker, make_webinar):
        webinar = make_webinar("scheduled")
        given = {"video": "embed", "player_url": "https://youtu.be/other", "webinar": str(webinar.pk)}
        self.page(speaker, **given)
        assert stored(webinar).version == webinar.version


def test_new_webinar_has_the_name_of_the_one_who_makes_it(speaker):
    name = Person.objects.get().name
    assert f'name="speaker_name" value="{name}"' in speaker.get("/admin_webinar/new/").content.decode()
    fields = {"title": "Эфир", "time_zone": "екатеринбург", "length_min": "60", "speaker_name": name}
    speaker.post("/admin_webinar/new/", fields | {"initial-title": ""})
    webinar = Webinar.objects.get()
    assert (webinar.speaker_name, webinar.time_zone) == (name, "Asia/Yekaterinburg")
