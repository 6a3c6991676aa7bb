"""Funnel and curve against a naive count, the list of verdicts, and the drawings."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.db.models import F
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from efir.accounts.capabilities import Role
from efir.attendance import classifier
from efir.attendance.evidence import timeline_of
from efir.attendance.models import Classification, Participation, Verdict
from efir.attendance.report.stats import Funnel, curve_of, funnel_of, presses_of
from efir.room.models import CtaPress, PresenceInterval, Recorder
from efir.room.presence import RecorderRow
from efir.room.presence_store import write
from efir.webinars import core
from tests.conftest import SYSTEM, start, stop
from tests.integration.attendance.test_classifier import Evening

pytestmark = pytest.mark.django_db

# Live from 0 to 600 and from 900 to 1800, with the call-to-action shown from 500 to 700 and from 1000 to 1100.
STEPS = [(500, "show"), (600, "pause"), (700, "hide"), (900, "resume"), (1000, "show"), (1100, "hide")]
LIVE, END, GRACE = [(0, 600), (900, 1800)], 1800, 90
SHOWN_LIVE = [(500, 600), (1000, 1100)]
PULSE = 1850

STRETCH = st.tuples(
    st.integers(0, 3), st.integers(-300, 1900), st.none() | st.integers(0, 2000), st.booleans()
)


@pytest.fixture(autouse=True)
def _empty_cache():
    cache.clear()  # numbers are cached by webinar id and time, which tests share


@pytest.fixture
def evening(clock, make_webinar):
    return Evening(clock, make_webinar)


def act(evening, second, step):
    evening.clock.moment = evening.at(second)
    actions = {
        "show": lambda pk: core.core_webinar_set_cta_visibility(pk, True, SYSTEM),
        "hide": lambda pk: core.core_webinar_set_cta_visibility(pk, False, SYSTEM),
        "pause": lambda pk: core.pause(pk, SYSTEM),
        "resume": lambda pk: core.resume(pk, SYSTEM),
    }
    actions[step](evening.webinar.pk)


@pytest.fixture
def over(evening, make_person):
    """A finished webinar with a pause and a call-to-action; three leads, two of them with a seat, and a partner."""
    people = [make_person(), make_person(), make_person(), make_person(Role.PARTNER)]
    for person in (people[0], people[1], people[3]):
        core.book_seat(evening.webinar.pk, person)
    for second, step in STEPS:
        act(evening, second, step)
    evening.stop(END, settle=False)
    evening.webinar.refresh_from_db()
    Participation.objects.bulk_create(
        Participation(webinar=evening.webinar, person=person, is_lead=number < 3)
        for number, person in enumerate(people)
    )
    recorders = [
        Recorder.objects.create(started_at=evening.at(-400), pulsed_at=evening.at(PULSE)) for _ in range(2)
    ]
    return evening, people, recorders


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(stretches=st.lists(STRETCH, max_size=8, unique_by=lambda each: (each[0], each[1], each[3])))
@example(stretches=[(0, 0, 1, False), (0, 600, 1, False)])  # on air, and again in the pause only
def test_funnel_and_curve_equal_a_naive_count(over, stretches):
    evening, people, recorders = over
    PresenceInterval.objects.all().delete()
    PresenceInterval.objects.bulk_create(
        PresenceInterval(
            recorder=recorders[other],
            webinar=evening.webinar,
            person=people[who],
            began_at=evening.at(came),
            ended_at=None if length is None else evening.at(came + length),
        )
        for who, came, length, other in stretches
    )
    seen = {who: [] for who in range(3)}
    for who, came, length, _ in stretches:
        if who in seen:
            seen[who].append((came, PULSE if length is None else came + length))
    timeline = timeline_of(evening.webinar)
    assert funnel_of(evening.webinar, timeline) == naive_funnel(seen)
    assert curve_of(evening.webinar, timeline) == [
        sum(any(came <= second < went for came, went in seen[who]) for who in seen)
        for second in range(0, END + 1, 60)
    ]


def test_cta_shown_in_a_pause_was_not_seen_live(evening):
    for second, step in [(100, "pause"), (200, "show"), (300, "hide"), (400, "resume")]:
        act(evening, second, step)
    evening.stop(END, settle=False)
    evening.webinar.refresh_from_db()
    assert funnel_of(evening.webinar, timeline_of(evening.webinar)).saw_cta == 0


def naive_funnel(seen):
    """Second by second."""

    def there(who, spans):
        return {
            second
            for low, high in spans
            for second in range(low, high)
            if any(came <= second < went for came, went in seen[who])
        }

    entered = [who for who in seen if there(who, LIVE)]
    last = range(END - GRACE, END)
    return Funnel(
        seats=2,
        entered=len(entered),
        walk_ins=len([who for who in entered if who == 2]),
        saw_cta=len([who for who in entered if there(who, SHOWN_LIVE)]),
        stayed=len([who for who in entered if there(who, [(last.start, last.stop)])]),
        pressed_cta=0,
    )


def test_presses_of_leads_are_counted_by_the_minute(over, as_role):
    evening, people, recorders = over
    for second, person in (
        (505, people[0]),
        (1075, people[1]),
        (1079, people[3]),
    ):  # the last one is a partner
        CtaPress.objects.create(webinar=evening.webinar, person=person, pressed_at=evening.at(second))
    for person in people:
        PresenceInterval.objects.create(
            recorder=recorders[0], webinar=evening.webinar, person=person, began_at=evening.at(0)
        )
    timeline = timeline_of(evening.webinar)
    funnel = funnel_of(evening.webinar, timeline)
    assert (funnel.entered, funnel.saw_cta, funnel.pressed_cta) == (3, 3, 2)
    presses = presses_of(evening.webinar, timeline)
    assert {minute: count for minute, count in enumerate(presses) if count} == {8: 1, 17: 1}
    numbers = panel(page(as_role(Role.SPEAKER), evening.webinar), "numbers")
    assert "нажали кнопку" in numbers
    assert "67 % вошедших" in numbers
    assert numbers.count('class="presses"') == 1
    table = re.findall(r"<td>\d+</td><td[^>]*>(\d+)</td>", numbers)
    assert sum(map(int, table)) == 2


def test_funnel_without_call_to_action_has_no_presses(evening, make_person):
    evening.seen(make_person(), 0, 1700)
    evening.stop()
    evening.webinar.refresh_from_db()
    assert funnel_of(evening.webinar, timeline_of(evening.webinar)).pressed_cta is None


def page(client, webinar, query=""):
    answer = client.get(f"/admin_webinar/{webinar.pk}/{query}", headers={"accept": "text/html"})
    assert answer.status_code == 200
    return answer.content.decode()


def panel(text, name):
    return text.split(f'id="{name}"')[1].split("</section>")[0]


def test_what_people_mean_to_watch_on_is_shown(evening, make_webinar, make_person, as_role):
    speaker, ahead = as_role(Role.SPEAKER), make_webinar("scheduled")
    evening.clock.moment = evening.at(300)
    people = [make_person() for _ in range(5)] + [make_person(Role.PARTNER)]
    meant = ("phone", "phone", "computer", "unknown", "", "phone")
    for webinar in (ahead, evening.webinar):
        for person in people:
            core.book_seat(webinar.pk, person)
        assert "с телефона" not in page(speaker, webinar)
        for person, device in zip(people, meant, strict=True):
            webinar.seats.filter(person=person).update(device=device)
        assert "с телефона — 2, с компьютера — 1, ещё не знают — 1" in page(speaker, webinar)


def test_numbers_panel_appears_at_the_start_and_refreshes(evening, as_role, make_webinar):
    speaker = as_role(Role.SPEAKER)
    assert 'id="numbers"' not in page(speaker, make_webinar("scheduled"))
    assert 'id="numbers"' not in page(speaker, make_webinar("draft"))
    evening.clock.moment = evening.at(300)
    text = page(speaker, evening.webinar)
    assert re.search(r'id="after"[^>]* data-recent', text)
    live = panel(text, "numbers")
    assert "сейчас в эфире" in live
    evening.stop()
    over = panel(page(speaker, evening.webinar), "numbers")
    assert "остались до конца" in over


def test_page_waits_for_numbers_right_after_the_start(evening, as_role):
    evening.pulse(0)
    evening.clock.moment = evening.at(2)
    assert timeline_of(evening.webinar) is None
    soon = page(as_role(Role.SPEAKER), evening.webinar)
    assert "data-busy" in soon.split('id="numbers"')[1].split(">")[0]
    assert "через несколько секунд" in panel(soon, "numbers")


def test_unwritten_presence_is_not_a_departure(evening, make_person):
    evening.seen(make_person(), 0)
    evening.pulse(299)
    evening.clock.moment = evening.at(302)
    Participation.objects.create(
        webinar=evening.webinar, person_id=PresenceInterval.objects.get().person_id, is_lead=True
    )
    timeline = timeline_of(evening.webinar)
    assert curve_of(evening.webinar, timeline) == [1, 1, 1, 1, 1]
    assert timeline.not_recorded == []


@pytest.fixture
def judged(evening, make_person):
    """An hour with a pause from 1800 to 2400, nothing recorded from 600 to 900, and a lead for each verdict."""
    people = {
        name: make_person(name=name) for name in ("Ольга Осталась", "Ульяна Ушла", "Нина Не", "Тёма Туман")
    }
    for name in ("Нина Не", "Ульяна Ушла"):
        core.book_seat(evening.webinar.pk, people[name])
    evening.seen(people["Ольга Осталась"], 0, 600)
    evening.seen(people["Ульяна Ушла"], 60, 360)
    evening.seen(people["Тёма Туман"], 0, 400)
    evening.pulse(600)
    evening.recorder = RecorderRow(uuid4(), evening.at(900), evening.at(900))
    evening.seen(people["Ольга Осталась"], 900, 3600)
    lost = RecorderRow(uuid4(), evening.at(901), evening.at(1000))
    evening.seen(people["Тёма Туман"], 902, recorder=lost)
    write_nothing_more(lost)
    for second, step in ((1800, "pause"), (2400, "resume")):
        act(evening, second, step)
    evening.stop(settle=False)
    evening.pulse(3601)
    evening.clock.move(600)
    while classifier.classify_due():
        pass
    return evening.webinar


def write_nothing_more(recorder):
    from efir.room.presence import Pending

    write(Pending((recorder,), ()))


def test_unknown_departures_are_counted_apart(judged, as_role):
    """Тёма's process died; Нина never entered, but may have been there while nothing was recorded."""
    before = funnel_of(judged, timeline_of(judged))
    assert (before.entered, before.stayed, before.unseen) == (3, 1, 1)
    admin = as_role(Role.ADMIN)
    assert "ещё о 1 неизвестно" in panel(page(admin, judged), "numbers")
    lead = Verdict.objects.get(lead__name="Тёма Туман").lead_id
    admin.post(f"/admin_webinar/{judged.pk}/verdicts/{lead}", {"attended": "true"})
    assert funnel_of(judged, timeline_of(judged)) == before
    PresenceInterval.objects.all().delete()
    Classification.objects.update(evidence_pruned_at=F("done_at"))
    assert funnel_of(judged, timeline_of(judged)) == before


def test_webinar_list_shows_where_a_decision_is_due(judged, as_role, make_webinar):
    make_webinar("finished")
    for role in (Role.ADMIN, Role.SPEAKER):
        text = as_role(role).get("/admin_webinar/").content.decode()
        (address, waits) = re.findall(
            r'<a href="([^"]+)#verdicts">' + judged.title + r"</a>: ([^<]+)", text
        ).pop()
        assert (address, waits) == (f"/admin_webinar/{judged.pk}/?verdict=held", "ждут 2 человека")
    decide_all(judged, as_role(Role.ADMIN))
    assert "Решает администратор" not in as_role(Role.ADMIN).get("/admin_webinar/").content.decode()


def test_webinar_list_folds_decisions_of_long_ago(judged, as_role, clock):
    def notice():
        page = as_role(Role.SPEAKER).get("/admin_webinar/").content.decode()
        return page.split('class="notice warn held"')[1].split("</div>")[0]

    assert "<details" not in notice()
    clock.move(15 * 24 * 3600)
    folded = notice()
    assert "<summary>Давние: 1</summary>" in folded
    assert judged.title in folded.split("<details")[1]


def decide_all(webinar, admin):
    for lead_id in Verdict.objects.filter(attended=None).values_list("lead_id", flat=True):
        admin.post(f"/admin_webinar/{webinar.pk}/verdicts/{lead_id}", {"attended": "false"})


def row_of(text, name):
    (row,) = [
        row for row in panel(text, "verdicts").split("<tbody>")[1].split("<tr>") if f"<td>{name}</td>" in row
    ]
    return row


def test_bars_are_scaled_to_the_real_length(judged, as_role):
    text = page(as_role(Role.ADMIN), judged)

    def drawn(name, kind):
        return [
            tuple(map(int, found))
            for found in re.findall(
                rf'<rect class="{kind}" x="(\d+)" width="(\d+)" y="\d+" height="1', row_of(text, name)
            )
        ]

    assert drawn("Ольга Осталась", "there") == [(0, 167), (250, 250), (667, 333)]
    assert drawn("Ульяна Ушла", "there") == [(17, 83)]
    assert drawn("Нина Не", "there") == []
    for name in ("Ольга Осталась", "Нина Не"):
        assert drawn(name, "paused") == [(500, 167)]
        assert drawn(name, "blind") == [(167, 83)]
    assert 'aria-label="в эфире: 19:00–19:10, 19:15–19:30, 19:40–20:00"' in row_of(text, "Ольга Осталась")
    assert "последний раз в эфире в 19:06, до конца оставалось 44 минуты" in row_of(text, "Ульяна Ушла")
    legend = panel(text, "verdicts")
    assert "пауза: 19:30–19:40" in legend
    assert "система не видела: 19:10–19:15" in legend


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", {"Ольга Осталась", "Ульяна Ушла", "Нина Не", "Тёма Туман"}),
        ("?verdict=attended", {"Ольга Осталась"}),
        ("?verdict=left_early", {"Ульяна Ушла"}),
        ("?verdict=held", {"Нина Не", "Тёма Туман"}),
        ("?verdict=nonsense", {"Ольга Осталась", "Ульяна Ушла", "Нина Не", "Тёма Туман"}),
        ("?who=ульяна", {"Ульяна Ушла"}),
        ("?who=ТУМАН&verdict=held", {"Тёма Туман"}),
        ("?who=Ольга&verdict=held", set()),
        ("?who=%00%00", {"Ольга Осталась", "Ульяна Ушла", "Нина Не", "Тёма Туман"}),
        ("?verdicts=99", {"Ольга Осталась", "Ульяна Ушла", "Нина Не", "Тёма Туман"}),
    ],
)
def test_verdicts_are_searched_and_filtered(judged, as_role, query, names):
    shown = panel(page(as_role(Role.SPEAKER), judged, query), "verdicts")
    assert set(re.findall(r"<tr>\s*<td>([^<]+)</td>", shown)) == names
    assert ("Показать всех" in shown) == (not names)


def test_held_verdict_is_decided_in_the_list(judged, as_role):
    assert "Засчитать" not in panel(page(as_role(Role.SPEAKER), judged), "verdicts")
    admin = as_role(Role.ADMIN)
    held = panel(page(admin, judged, "?verdict=held"), "verdicts")
    actions = re.findall(r'action="([^"]+)" data-confirm="([^"]+)"', held)
    assert len(actions) == 4
    address, asked = actions[0]
    assert "Засчитать участие: " in asked
    answer = admin.post(address, {"attended": "true"}, headers={"accept": "text/html"})
    assert answer.url == f"/admin_webinar/{judged.pk}/?verdict=held#verdicts"
    decided = panel(page(admin, judged, "?verdict=decided"), "verdicts")
    assert "решение администратора" in decided


def test_numbers_are_cached_after_classification_only(evening, make_person, as_role):
    """Until the verdicts are done the numbers are counted again each time."""
    speaker, lead = as_role(Role.SPEAKER), make_person()
    core.book_seat(evening.webinar.pk, lead)
    evening.stop(settle=False)
    funnels = []
    for late in (False, True):
        if late:
            evening.seen(lead, 0, 3600)
            Participation.objects.create(webinar=evening.webinar, person=lead, is_lead=True)
        funnels.append(panel(page(speaker, evening.webinar), "numbers"))
    assert "<b>0</b>\n      <span>вошли в эфир" in funnels[0]
    assert "<b>1</b>\n      <span>вошли в эфир" in funnels[1]
    Classification.objects.create(webinar=evening.webinar, done_at=evening.clock())
    page(speaker, evening.webinar)
    PresenceInterval.objects.all().delete()
    assert "<b>1</b>\n      <span>вошли в эфир" in panel(page(speaker, evening.webinar), "numbers")


def test_verdict_by_an_unknown_rule_is_shown(make_webinar, make_person, as_role):
    webinar = make_webinar("archived")
    Verdict.objects.create(
        webinar=webinar,
        lead=make_person(),
        attended=False,
        reason="no_show",
        rule="an older rule",
        intervals=[],
        present_s=0,
        classified_at=webinar.finished_at,
    )
    assert "без входа в эфир" in panel(page(as_role(Role.SPEAKER), webinar), "verdicts")


def test_webinar_of_zero_length_is_drawn(clock, make_webinar, as_role):
    webinar = make_webinar("scheduled")
    start(webinar.pk, SYSTEM)
    clock.move(0)
    assert (
        timeline_of(webinar) is None or timeline_of(webinar).end - timeline_of(webinar).start == timedelta()
    )
    stop(webinar.pk, SYSTEM)
    assert 'id="panel"' in page(as_role(Role.SPEAKER), webinar)
