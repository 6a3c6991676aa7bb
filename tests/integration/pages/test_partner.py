"""The partner's account page: own people with seat, Telegram and verdict, and nobody else's."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from efir.accounts.capabilities import Role
from efir.attendance.models import Classification, Participation, Verdict
from efir.lib import clock as efir_clock
from efir.room.cta import record_press
from efir.webinars import core
from tests.conftest import SYSTEM, stop
from tests.support.questions import asked
from tests.support.telegram import classified, linked

pytestmark = pytest.mark.django_db


@pytest.fixture
def mine(make_person):
    """Make a partner with four candidates; the first two share a first name."""
    partner = make_person(Role.PARTNER)
    names = ("Вера Первая", "Вера Вторая", "Глеб Третий", "Дина Четвёртая")
    return partner, [make_person(name=name, invited_by=partner) for name in names]


@pytest.fixture
def theirs(make_person):
    """Make another partner with three candidates."""
    partner = make_person(Role.PARTNER)
    return partner, [make_person(name=f"Чужая Вера {n}", invited_by=partner) for n in range(3)]


def account(person, query=""):
    client = Client()
    client.force_login(person)
    return client.get(f"/account/{query}").content.decode()


def section(text, name):
    return text.split(f'id="{name}"')[1].split("</section>")[0] if f'id="{name}"' in text else ""


def listed(text):
    return re.findall(r'<a href="/account/candidates/\d+/">([^<]+)</a>', section(text, "candidates"))


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", {"Вера Первая", "Вера Вторая", "Глеб Третий", "Дина Четвёртая"}),
        ("?who=вера", {"Вера Первая", "Вера Вторая"}),
        ("?show=seat", {"Вера Первая"}),
        ("?show=no_seat&who=Вера", {"Вера Вторая"}),
        ("?show=entered", {"Вера Первая", "Вера Вторая", "Глеб Третий", "Дина Четвёртая"}),
        ("?who=Чужая", set()),
        ("?show=what&candidates=50", {"Вера Первая", "Вера Вторая", "Глеб Третий", "Дина Четвёртая"}),
    ],
)
def test_search_finds_own_people_only(make_webinar, mine, theirs, query, names):
    webinar = make_webinar()
    core.book_seat(webinar.pk, mine[1][0])
    for other in theirs[1]:
        core.book_seat(webinar.pk, other)
    text = account(mine[0], query)
    assert set(listed(text)) == names
    assert "Чужая" not in text.replace('value="Чужая"', "").replace("«Чужая» здесь", "")


def test_figures_count_own_people_only(make_webinar, mine, theirs):
    webinar = make_webinar("live")
    for person in [*mine[1][:2], *theirs[1]]:
        core.book_seat(webinar.pk, person)
        Participation.objects.create(webinar=webinar, person=person, is_lead=True)
    evening = section(account(mine[0]), "own-evening")
    assert re.findall(r"<dd>(?:<a[^>]*>)?(\d+)", evening) == ["4", "2", "2"]
    assert section(account(mine[0]), "candidates").count("вход в эфир был") == 2


def test_list_shows_who_has_entered_and_who_is_missing(make_webinar, mine, theirs):
    webinar = make_webinar("live")
    came, absent, *others = mine[1]
    for person in (came, absent, *theirs[1]):
        core.book_seat(webinar.pk, person)
    for person in (came, others[0], theirs[1][0]):
        Participation.objects.create(webinar=webinar, person=person, is_lead=True)
    assert set(listed(account(mine[0], "?show=entered"))) == {came.name, others[0].name}
    assert listed(account(mine[0], "?show=missing")) == [absent.name]
    client = Client()
    client.force_login(mine[0])
    assert "вход в эфир был" in client.get(f"/account/candidates/{came.pk}/").content.decode()


def test_list_shows_verdicts_after_the_stop(clock, make_webinar, mine, theirs):
    webinar = make_webinar("live")
    stayed, left, *_others = mine[1]
    for person in (stayed, left):
        Participation.objects.create(webinar=webinar, person=person, is_lead=True)
    stop(webinar.pk, SYSTEM)
    rows = section(account(mine[0]), "candidates").split("<li>")[1:]
    assert [("считаем присутствие" in row) for row in rows] == [False, False, True, True]
    classified(webinar, [stayed, theirs[1][0]], "stayed_to_end")
    classified(webinar, [left], "left_early")
    assert listed(account(mine[0], "?show=attended")) == [stayed.name]
    assert listed(account(mine[0], "?show=absent")) == [left.name]
    advice = {person: _advice_about(mine[0], person) for person in (stayed, left, mine[1][2])}
    assert ["остались ли вопросы" in advice[each] for each in advice] == [True, False, False]
    assert "позовите на следующий" in advice[left]
    assert "познакомьтесь" in advice[mine[1][2]]


def _advice_about(partner, candidate):
    candidate.telegram_name = "vera"
    candidate.save(update_fields=["telegram_name"])
    client = Client()
    client.force_login(partner)
    return client.get(f"/account/candidates/{candidate.pk}/").content.decode()


def test_list_names_the_webinar_of_the_seats(clock, make_webinar, mine):
    webinar = make_webinar("finished")
    over = section(account(mine[0]), "candidates")
    assert "Следующий вебинар ещё не назначен" in over
    assert "без места" not in over
    webinar = make_webinar(title="Вебинар <после>")
    ahead = section(account(mine[0]), "candidates")
    assert (
        f'Места — на вебинар «Вебинар &lt;после&gt;»: <time datetime="{efir_clock.iso(webinar.starts_at)}"'
        in ahead
    )
    assert ahead.count("без места") == 4 + 1  # and the choice above them


def test_foreign_candidate_is_404(mine, theirs):
    client = Client()
    client.force_login(mine[0])
    assert client.get(f"/account/candidates/{mine[1][0].pk}/").status_code == 200
    for person in (*theirs[1], theirs[0], mine[0]):
        assert client.get(f"/account/candidates/{person.pk}/").status_code == 404


def test_list_shows_who_can_be_reached(mine):
    linked(mine[1][0])
    linked(mine[1][1], reachable=False)
    rows = section(account(mine[0]), "candidates").split("<li>")[1:]
    said = {row.split("</a>")[0].split(">")[1]: row for row in rows}
    assert "Telegram привязан" in said["Вера Первая"]
    assert "нет связи в Telegram" in said["Вера Вторая"]
    assert "Telegram не привязан" in said["Глеб Третий"]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (None, ([], ["own-evening"])),
        ("scheduled", (["Места пока ни у кого нет"], ["вошли в эфир", "завершён"])),
        ("live", (["Эфир идёт", "вошли в эфир", "data-fresh"], [">завершён<"])),
        ("finished", (["Считаем присутствие"], ["уточняется", "приглашено вами"])),
        ("judged", (["участие засчитано", "уточняется", "решает администратор"], ["Считаем присутствие"])),
        ("nobody", (["никто не бронировал место"], ["уточняется"])),
        ("archived", ([], ["own-evening"])),
    ],
)
def test_webinar_panel_in_every_state(  # noqa: PLR0917  # a table's columns
    clock, make_webinar, mine, theirs, status, words
):
    said, not_said = words
    if status:
        webinar = make_webinar({"judged": "finished", "nobody": "finished"}.get(status, status))
    if status in ("judged", "nobody"):
        Classification.objects.create(webinar=webinar, done_at=clock())
        judged = mine[1][:2] if status == "judged" else theirs[1][:2]
        for attended, person in zip((True, None), judged, strict=True):
            Verdict.objects.create(
                webinar=webinar,
                lead=person,
                attended=attended,
                reason="stayed_to_end" if attended else "unknown",
                rule="",
                intervals=[],
                present_s=0,
                classified_at=clock(),
            )
    text = account(mine[0])
    evening = section(text, "own-evening")
    assert [each for each in said if each not in evening] == []
    assert [each for each in not_said if each in (evening or text)] == []


def test_held_verdict_is_hidden_from_the_partner(clock, make_webinar, mine):
    webinar = make_webinar("finished")
    Verdict.objects.create(
        webinar=webinar,
        lead=mine[1][0],
        reason="unknown",
        rule="",
        intervals=[],
        present_s=0,
        classified_at=clock(),
    )
    client = Client()
    client.force_login(mine[0])
    assert "неизвестно" not in client.get(f"/account/candidates/{mine[1][0].pk}/").content.decode()
    assert "неизвестно" not in section(account(mine[0]), "candidates")


def test_invitation_has_the_next_webinar_and_the_link(clock, make_webinar, mine):
    link = f"/signup/?ref={mine[0].ref_code}"
    without = section(account(mine[0]), "referral")
    assert "живые вебинары" in without
    assert link in without
    webinar = make_webinar(title="Как <начать>")
    invitation = section(account(mine[0]), "referral")
    assert "«Как &lt;начать&gt;»: 23 ноября в 20:00 МСК" in invitation
    assert "https://t.me/share/url?url=http" in invitation
    assert f"ref%3D{mine[0].ref_code}" in invitation
    assert f'{link}&amp;webinar={webinar.pk}" hidden' in invitation
    assert f"webinar%3D{webinar.pk}" in invitation
    assert "<svg" in invitation
    candidate = account(mine[1][0])
    assert 'id="referral"' not in candidate
    assert 'id="candidates"' not in candidate


def test_empty_list_says_what_to_do(make_person, make_webinar):
    make_webinar()
    text = account(make_person(Role.PARTNER))
    assert "Отправьте кому-нибудь вашу ссылку" in section(text, "candidates")
    assert 'id="own-evening"' not in text


def test_queries_do_not_grow_with_the_list(make_webinar, mine, make_person):
    make_webinar()
    account(mine[0])
    with CaptureQueriesContext(connection) as few:
        account(mine[0])
    for _ in range(60):
        make_person(invited_by=mine[0])
    with CaptureQueriesContext(connection) as many:
        text = account(mine[0])
    assert len(many) == len(few)
    assert len(listed(text)) == 20
    assert len(listed(account(mine[0], "?candidates=4"))) == 4


def test_presses_and_questions_are_listed_in_the_order_of_calling(make_webinar, mine, theirs):
    webinar = make_webinar("live")
    stayed, left, absent, _ = mine[1]
    absent.email = "glyeb@example.org"
    absent.save()
    for person in (stayed, left):
        Participation.objects.create(webinar=webinar, person=person, is_lead=True)
    core.core_webinar_set_cta_visibility(webinar.pk, True, SYSTEM)
    webinar.refresh_from_db()
    record_press(webinar, left)
    record_press(webinar, theirs[1][0])
    asked(webinar, absent, "Сколько <стоит>?")
    asked(webinar, theirs[1][0], "Чужой вопрос")
    stop(webinar.pk, SYSTEM)
    classified(webinar, [stayed], "stayed_to_end")
    classified(webinar, [left, absent], "left_early")
    assert listed(account(mine[0], "?show=absent")) == [absent.name, left.name]
    assert listed(account(mine[0], "?show=pressed")) == [left.name]
    text = account(mine[0], "?show=asked")
    assert listed(text) == [absent.name]
    assert "Спросил: Сколько &lt;стоит&gt;? (минута 0)" in text
    assert "Чужой вопрос" not in account(mine[0])
    client = Client()
    client.force_login(mine[0])
    page = client.get(f"/account/candidates/{absent.pk}/").content.decode()
    assert "Спросил: Сколько &lt;стоит&gt;? (минута 0)" in page
    assert "остался вопрос без ответа" in page
    assert "кнопка связи нажата" in client.get(f"/account/candidates/{left.pk}/").content.decode()
