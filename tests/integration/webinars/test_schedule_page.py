"""The schedule and booking a seat."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from efir.accounts.capabilities import Role
from efir.edge.page_query import parse_query
from efir.webinars import views
from efir.webinars.labels import relative_time
from efir.webinars.models import Seat
from tests.conftest import logged_in

pytestmark = pytest.mark.django_db
ROOM = "Перейти в комнату вебинара"
SEAT = "Забронировать место на вебинар"


def page_of(client: Client) -> str:
    return client.get("/webinars/").content.decode()


def test_empty_schedule_says_what_to_do(member, make_person):
    speaker = logged_in(make_person(Role.SPEAKER))
    for client, way in ((Client(), "/signup/"), (member, "/account/"), (speaker, "/admin_webinar/new/")):
        page = page_of(client)
        assert "Пока вебинаров нет" in page
        assert f'class="button" href="{way}"' in page


def test_order_is_live_next_others(clock, make_webinar):
    make_webinar(title="Третий", starts_at=clock.moment + timedelta(days=2))
    make_webinar(title="Второй", starts_at=clock.moment + timedelta(days=1))
    make_webinar("live", title="Первый")
    page = page_of(Client())
    assert page.index("Первый") < page.index("Второй") < page.index("Третий")
    assert "идёт прямо сейчас" in page
    assert page.count("data-countdown") == 1


def test_long_schedule_has_pages(clock, make_webinar, monkeypatch):
    monkeypatch.setattr(views, "ON_A_PAGE", 2)
    titles = [f"Вебинар № {number}" for number in range(1, 6)]
    for day, title in enumerate(titles, start=1):
        make_webinar(title=title, starts_at=clock.moment + timedelta(days=day))

    def shown(query=""):
        page = Client().get(f"/webinars/{query}").content.decode()
        return {title for title in titles if f"<h3>{title}" in page or f">{title}<" in page}

    assert shown() == set(titles[:3])
    assert 'href="?page=2#others"' in page_of(Client())
    assert shown("?page=2") == {titles[0], *titles[3:]}
    assert shown("?page=99") == shown("?page=2")
    assert parse_query(b"page=2") is None  # the edge keeps the first page alone


def test_overdue_start_goes_on_counting(clock, make_webinar):
    """The page may have been open since before the start; and the words change once more after half an hour."""
    make_webinar(starts_at=clock.moment - timedelta(minutes=5))
    countdown = page_of(Client()).split('class="countdown over"')[1].split("</p>")[0]
    assert "data-countdown=" in countdown
    assert countdown.endswith(">скоро начнём, ждём ведущего")


def test_guest_sees_the_webinars_call_to_action(make_webinar):
    own, usual = make_webinar(cta_text="Хочу на эфир"), make_webinar()
    page = page_of(Client())
    assert "Хочу на эфир" in page
    assert SEAT in page
    assert f'href="/signup/?webinar={own.pk}"' in page
    assert f'href="/signup/?webinar={usual.pk}"' in page
    assert ROOM not in page


def test_member_sees_the_link_to_the_room(member, make_webinar):
    make_webinar(cta_text="Хочу на эфир")
    page = page_of(member)
    assert ROOM in page
    assert 'href="/account/webinar_room/"' in page
    assert "Хочу на эфир" not in page


def test_drafts_and_finished_webinars_are_hidden(make_webinar):
    for state in ("draft", "finished", "archived"):
        make_webinar(state, title=f"Скрытый {state}")
    assert "Скрытый" not in page_of(Client())


def test_withdrawn_webinar_is_marked_and_never_next(clock, make_webinar):
    make_webinar(title="Отменённый", withdrawn=True)
    make_webinar(title="Ближайший", starts_at=clock.moment + timedelta(days=3))
    page = page_of(Client())
    assert page.index("Ближайший") < page.index("Отменённый")
    assert "не состоится" in page
    assert page.count(SEAT) == 1
    assert "EventCancelled" in page


def test_due_webinar_says_that_it_starts_soon(clock, make_webinar):
    make_webinar(starts_at=clock.moment - timedelta(minutes=3))
    assert "скоро начнём, ждём ведущего" in page_of(Client())


def test_overdue_webinar_says_that_it_is_delayed(clock, make_webinar):
    make_webinar(starts_at=clock.moment - timedelta(minutes=31))
    page = page_of(Client())
    assert "начало задерживается" in page
    assert "скоро начнём" not in page


@pytest.mark.parametrize("state", ["live", "paused"])
def test_guest_is_invited_to_the_live_webinar(make_webinar, state):
    webinar = make_webinar(state, cta_text="Хочу на эфир")
    page = page_of(Client())
    assert f'href="/signup/?webinar={webinar.pk}">Войти в эфир</a>' in page
    assert "Хочу на эфир" not in page


@pytest.mark.parametrize(
    ("hours", "zone", "words"),
    [
        (3, "Europe/Moscow", "сегодня в 22:00 МСК"),
        (5, "Europe/Moscow", "завтра в 00:00 МСК"),
        (3, "Asia/Yekaterinburg", "завтра в 00:00 UTC+5"),
        (48, "Europe/Moscow", "25 ноября в 19:00 МСК"),
        (48, "Europe/Berlin", "25 ноября в 17:00 CET"),
        *(
            (3, zone, "сегодня в 22:00 МСК")
            for zone in ("Europe/Simferopol", "Europe/Kirov", "W-SU", "Europe/Volgograd")
        ),
        (3, "Europe/Kaliningrad", "сегодня в 21:00 МСК−1"),
        (3, "Europe/Minsk", "сегодня в 22:00 UTC+3"),
        (3, "Asia/Shanghai", "сегодня в 03:00 UTC+8"),
        (3, "Asia/Manila", "сегодня в 03:00 UTC+8"),
        (3, "Asia/Kolkata", "завтра в 00:30 UTC+5:30"),
        (3, "America/New_York", "сегодня в 14:00 UTC−5"),
        (3, "America/St_Johns", "сегодня в 15:30 UTC−3:30"),
        (3, "Europe/London", "сегодня в 19:00 UTC"),
        (24 * 60, "Europe/Moscow", "22 января 2027 в 19:00 МСК"),
    ],
)
def test_times_in_words_with_the_zone(clock, hours, zone, words):
    assert relative_time(clock.moment + timedelta(hours=hours), ZoneInfo(zone)) == words


def test_times_are_machine_readable(clock, make_webinar):
    make_webinar(starts_at=datetime(2026, 11, 23, 18, 0, tzinfo=UTC))
    assert '<time datetime="2026-11-23T18:00:00Z" data-offset="180">' in page_of(Client())


def test_titles_are_escaped(make_webinar):
    make_webinar(title="<script>x</script>", description="<b>y</b>")
    page = page_of(Client())
    assert "<script>x" not in page
    assert "<b>y" not in page


class TestSeat:
    def test_is_booked_once(self, member, make_webinar):
        webinar = make_webinar()
        for _ in range(2):
            answer = member.post(f"/webinars/{webinar.pk}/seat")
            assert (answer.status_code, answer.json()) == (200, {"webinar_id": webinar.pk, "seat": True})
        assert Seat.objects.get().person == member.person
        page = page_of(member)
        assert "место забронировано" in page
        assert f"/webinars/{webinar.pk}/seat" not in page

    def test_is_booked_for_the_session_and_not_the_form(self, member, make_webinar, make_person):
        other = make_person()
        fields = {"lead_id": other.pk, "person_id": other.pk, "person": other.pk}
        member.post(f"/webinars/{make_webinar().pk}/seat", fields)
        assert Seat.objects.get().person == member.person

    def test_redirects_a_person_with_a_message(self, member, make_webinar):
        answer = member.post(f"/webinars/{make_webinar().pk}/seat", follow=True, HTTP_ACCEPT="text/html")
        assert "Место забронировано" in answer.content.decode()

    def test_needs_a_login(self, make_webinar):
        address = f"/webinars/{make_webinar().pk}/seat"
        answer = Client().post(address)
        assert (answer.status_code, answer.json()) == (401, {"error": "login_required"})
        assert Client().post(address, HTTP_ACCEPT="text/html").url == "/login/?next=/webinars/"

    @pytest.mark.parametrize(
        ("state", "status", "code"),
        [
            ("draft", 404, "webinar_not_found"),
            ("finished", 409, "webinar_seats_closed"),
            ("archived", 409, "webinar_seats_closed"),
        ],
    )
    def test_is_refused_when_closed(self, member, make_webinar, state, status, code):
        answer = member.post(f"/webinars/{make_webinar(state).pk}/seat")
        assert (answer.status_code, answer.json()["error"]) == (status, code)

    def test_needs_the_csrf_token(self, member, make_webinar):
        client = logged_in(member.person, enforce_csrf_checks=True)
        assert client.post(f"/webinars/{make_webinar().pk}/seat").status_code == 403
        assert not Seat.objects.exists()


def test_page_weight():
    """The page loads less than 30 kB of scripts."""
    from pathlib import Path

    import efir

    package = Path(efir.__file__).parent
    scripts = [package / "webinars/static/webinars/schedule.js", *(package / "static/js").glob("*.js")]
    assert sum(script.stat().st_size for script in scripts) < 30_000


def test_queries_do_not_grow(member, make_webinar, django_assert_max_num_queries):
    for _ in range(12):
        make_webinar()
    with django_assert_max_num_queries(14):
        page_of(member)
