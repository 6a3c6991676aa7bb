"""The verdict by the contract's table, and by nothing else than the evidence."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from efir.attendance.intervals import clip, union
from efir.attendance.rules import Evening, Rule, end_gap_s, first_live_moment, judge
from efir.room.presence_store import PresenceSpan

ZERO = datetime(2026, 11, 23, 16, tzinfo=UTC)
RULE = Rule(grace_s=90, settle_s=60)


def at(second: float) -> datetime:
    return ZERO + timedelta(seconds=second)


def seen(*pairs: tuple[float, float]) -> list[PresenceSpan]:
    return [PresenceSpan(at(start), at(end)) for start, end in pairs]


def evening(*live: tuple[float, float], covered: list[tuple[float, float]] | None = None) -> Evening:
    spans = [(at(start), at(end)) for start, end in live]
    pulses = spans if covered is None else [(at(start), at(end)) for start, end in covered]
    return Evening(spans, pulses)


HOUR = evening((0, 3600))


@pytest.mark.parametrize(
    ("stretches", "attended", "reason"),
    [
        ([(0, 3600)], True, "stayed_to_end"),
        ([(-600, 4000)], True, "stayed_to_end"),
        ([(3599, 3600)], True, "stayed_to_end"),
        ([(0, 3511)], True, "stayed_to_end"),  # 89 s before the end
        ([(0, 3510)], False, "left_early"),  # the grace itself is too long
        ([(0, 60)], False, "left_early"),
        ([(0, 60), (3000, 3590)], True, "stayed_to_end"),
        ([], False, "no_show"),
        ([(-600, -10)], False, "no_show"),  # waited and left before the start
        ([(3600, 4000)], False, "no_show"),  # after the stop nobody enters
    ],
)
def test_the_table_of_the_contract(stretches, attended, reason):
    judgement = judge(seen(*stretches), HOUR, RULE)
    assert (judgement.attended, judgement.reason) == (attended, reason)


def test_by_a_clock_that_was_set_back_nobody_is_judged():
    moved = replace(HOUR, clock_moved=True)
    for stretches in ([(0, 3600)], [(0, 60)], []):
        judgement = judge(seen(*stretches), moved, RULE)
        assert (judgement.attended, judgement.reason, judgement.why_unknown) == (
            None,
            "unknown",
            "clock_moved",
        )


def test_a_pause_completes_nobody_and_is_no_absence():
    paused = evening((0, 1000), (2000, 3000))
    assert judge(seen((0, 900)), paused, RULE).reason == "left_early"
    assert judge(seen((0, 1000), (2500, 3000)), paused, RULE).reason == "stayed_to_end"


def test_a_stop_during_a_pause_counts_from_the_end_of_live_time():
    stopped_in_pause = evening((0, 1000))
    assert judge(seen((0, 950)), stopped_in_pause, RULE).reason == "stayed_to_end"
    assert judge(seen((0, 900)), stopped_in_pause, RULE).reason == "left_early"


def test_presence_only_during_a_pause_is_no_entry():
    paused = evening((0, 1000), (2000, 3000))
    assert first_live_moment(seen((1100, 1900)), paused.live) is None


def test_those_who_wait_enter_at_the_start_and_at_a_resume():
    paused = evening((0, 1000), (2000, 3000))
    assert first_live_moment(seen((-300, 3000)), paused.live) == at(0)
    assert first_live_moment(seen((1500, 3000)), paused.live) == at(2000)


def test_nobody_is_a_no_show_when_the_system_was_blind_at_the_end():
    blind = evening((0, 3600), covered=[(0, 3500)])
    for stretches in ([], [(0, 60)]):
        judgement = judge(seen(*stretches), blind, RULE)
        assert (judgement.attended, judgement.reason, judgement.why_unknown) == (
            None,
            "unknown",
            "final_grace_unseen",
        )


def test_a_no_show_needs_live_time_that_was_seen():
    patchy = evening((0, 3600), covered=[(0, 1000), (1091, 3600)])
    assert judge([], patchy, RULE).why_unknown == "live_time_unseen"
    assert judge(seen((0, 60)), patchy, RULE).reason == "left_early"
    barely = evening((0, 3600), covered=[(0, 1000), (1090, 3600)])
    assert judge([], barely, RULE).reason == "no_show"


def test_who_was_held_by_a_process_that_died_is_not_judged():
    lost = [PresenceSpan(at(0), at(1000), lost=True)]
    assert judge(lost, HOUR, RULE).why_unknown == "process_died"
    came_back_and_left = [*lost, PresenceSpan(at(1010), at(2000))]
    assert judge(came_back_and_left, HOUR, RULE).reason == "left_early"


def test_a_death_within_the_grace_costs_nobody_the_evening():
    assert judge([PresenceSpan(at(0), at(3550), lost=True)], HOUR, RULE).reason == "stayed_to_end"


def test_the_rule_names_its_values_and_reads_itself_back():
    assert Rule.parse(str(RULE)) == RULE
    with pytest.raises(ValueError, match="another rule"):
        Rule.parse("another rule")


moments = st.integers(-200, 1200)
stretch = st.tuples(moments, moments).map(lambda pair: (min(pair), max(pair)))
stretches = st.lists(stretch, max_size=10)
lives = st.lists(st.tuples(st.integers(0, 1000), st.integers(1, 300)), min_size=1, max_size=4).map(
    lambda parts: union((at(start), at(start + length)) for start, length in parts)
)


@given(stretches, lives, st.randoms(), st.integers(1, 4))
def test_order_tabs_and_processes_do_not_change_the_verdict(some, live, random, tabs):
    """Any order, any split into tabs, devices and processes: the same union, the same verdict."""
    room = Evening(live, live)
    once = judge(seen(*some), room, RULE)
    doubled = [each for each in some for _ in range(tabs)]
    pieces = [
        piece for start, end in doubled for piece in ((start, (start + end) / 2), ((start + end) / 2, end))
    ]
    random.shuffle(pieces)
    again = judge(seen(*pieces), room, RULE)
    assert (again.attended, again.reason, again.intervals) == (once.attended, once.reason, once.intervals)


@given(stretches, lives)
def test_the_stored_intervals_give_the_same_verdict(some, live):
    room = Evening(live, live)
    first = judge(seen(*some), room, RULE)
    second = judge([PresenceSpan(start, end) for start, end in first.intervals], room, RULE)
    assert (second.attended, second.reason) == (first.attended, first.reason)


@given(stretches, lives)
def test_more_presence_never_makes_a_verdict_worse(some, live):
    room = Evening(live, live)
    rank = ["no_show", "left_early", "stayed_to_end"]
    less = judge(seen(*some[1:]), room, RULE).reason
    more = judge(seen(*some), room, RULE).reason
    assert rank.index(more) >= rank.index(less)


@given(stretches, lives)
def test_attended_means_a_gap_below_the_grace(some, live):
    judgement = judge(seen(*some), Evening(live, live), RULE)
    present = clip([(at(a), at(b)) for a, b in some], live)
    assert (judgement.attended is True) == (bool(present) and end_gap_s(present, live) < RULE.grace_s)
