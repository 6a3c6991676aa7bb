"""The verdict by the contract's table, from the evidence alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from efir.attendance.intervals import clip, union
from efir.attendance.rules import (
    Evidence,
    LiveTime,
    Rule,
    VerdictResult,
    WatchingRecord,
    end_gap_s,
    evidence_of,
    first_live_moment,
    judge,
)
from efir.room.presence_store import PresenceSpan

ZERO = datetime(2026, 11, 23, 16, tzinfo=UTC)
RULE = Rule(grace_s=90, settle_s=60)


def at(second: float) -> datetime:
    return ZERO + timedelta(seconds=second)


def seen(*pairs: tuple[float, float]) -> list[PresenceSpan]:
    return [PresenceSpan(at(start), at(end)) for start, end in pairs]


def live_time(*live: tuple[float, float], covered: list[tuple[float, float]] | None = None) -> LiveTime:
    spans = [(at(start), at(end)) for start, end in live]
    pulses = spans if covered is None else [(at(start), at(end)) for start, end in covered]
    return LiveTime(spans, pulses)


def evaluate(
    spans: list[PresenceSpan], live: LiveTime, rule: Rule, watching: WatchingRecord | None = None
) -> VerdictResult:
    """Return the verdict by what was recorded."""
    return judge(evidence_of(spans, live, watching), live, rule)


HOUR = live_time((0, 3600))


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
def test_table_of_the_contract(stretches, attended, reason):
    result = evaluate(seen(*stretches), HOUR, RULE)
    assert (result.attended, result.reason) == (attended, reason)


def test_clock_set_back_holds_every_verdict():
    moved = replace(HOUR, clock_moved=True)
    for stretches in ([(0, 3600)], [(0, 60)], []):
        result = evaluate(seen(*stretches), moved, RULE)
        assert (result.attended, result.reason, result.why_unknown) == (
            None,
            "unknown",
            "clock_moved",
        )


def test_pause_is_neither_completion_nor_absence():
    paused = live_time((0, 1000), (2000, 3000))
    assert evaluate(seen((0, 900)), paused, RULE).reason == "left_early"
    assert evaluate(seen((0, 1000), (2500, 3000)), paused, RULE).reason == "stayed_to_end"


def test_stop_in_a_pause_counts_from_the_end_of_live_time():
    stopped_in_pause = live_time((0, 1000))
    assert evaluate(seen((0, 950)), stopped_in_pause, RULE).reason == "stayed_to_end"
    assert evaluate(seen((0, 900)), stopped_in_pause, RULE).reason == "left_early"


def test_presence_in_a_pause_only_is_no_entry():
    paused = live_time((0, 1000), (2000, 3000))
    assert first_live_moment(seen((1100, 1900)), paused.spans) is None


def test_waiting_people_enter_at_the_start_or_resume():
    paused = live_time((0, 1000), (2000, 3000))
    assert first_live_moment(seen((-300, 3000)), paused.spans) == at(0)
    assert first_live_moment(seen((1500, 3000)), paused.spans) == at(2000)


def test_unrecorded_end_holds_the_verdict():
    blind = live_time((0, 3600), covered=[(0, 3500)])
    for stretches in ([], [(0, 60)]):
        result = evaluate(seen(*stretches), blind, RULE)
        assert (result.attended, result.reason, result.why_unknown) == (
            None,
            "unknown",
            "end_not_recorded",
        )


def test_no_show_needs_recorded_live_time():
    patchy = live_time((0, 3600), covered=[(0, 1000), (1091, 3600)])
    assert evaluate([], patchy, RULE).why_unknown == "live_time_not_recorded"
    assert evaluate(seen((0, 60)), patchy, RULE).reason == "left_early"
    barely = live_time((0, 3600), covered=[(0, 1000), (1090, 3600)])
    assert evaluate([], barely, RULE).reason == "no_show"


def test_dead_process_holds_the_verdicts_of_its_viewers():
    viewer = [lost(0, 1000)]
    assert evaluate(viewer, HOUR, RULE).why_unknown == "process_died"
    came_back_and_left = [*viewer, PresenceSpan(at(1010), at(2000))]
    assert evaluate(came_back_and_left, HOUR, RULE).reason == "left_early"


def lost(start: float, end: float) -> PresenceSpan:
    return PresenceSpan(at(start), at(end), lost=True)


def resumed(start: float, end: float) -> PresenceSpan:
    return PresenceSpan(at(start), at(end), resumed=True)


PAUSED = live_time((0, 1000), (2000, 3000))
ENDED_IN_PAUSE = live_time((0, 1000))


@pytest.mark.parametrize(
    ("evening", "spans"),
    [
        pytest.param(HOUR, [lost(0, 3500), resumed(3610, 3615)], id="hung over the stop"),
        pytest.param(HOUR, [lost(0, 3500), *seen((3601, 3700))], id="came elsewhere after the stop"),
        pytest.param(ENDED_IN_PAUSE, [lost(0, 900), resumed(1050, 1100)], id="hung over the last pause"),
        pytest.param(HOUR, [lost(0, 1000), *seen((900, 1020))], id="second tab closed after the loss"),
        pytest.param(
            HOUR,
            [lost(0, 1000), *seen((900, 1020)), resumed(3610, 3615)],
            id="second tab, back after the stop",
        ),
        pytest.param(HOUR, [lost(0, 3400), resumed(3550, 3550)], id="found gone within the grace"),
        pytest.param(
            HOUR, [lost(0, 1000), *seen((1005, 1010)), resumed(3590, 3590)], id="second device while it hung"
        ),
        pytest.param(PAUSED, [lost(1100, 1500)], id="waited in a pause"),
        pytest.param(PAUSED, [lost(500, 1500)], id="stayed in a pause"),
        pytest.param(PAUSED, [lost(1100, 1500), resumed(2600, 2600)], id="waited in a pause, found gone"),
        pytest.param(HOUR, [lost(-300, -10)], id="waited for the start"),
    ],
)
def test_unseen_after_a_loss_holds_the_verdict(evening, spans):
    result = evaluate(spans, evening, RULE)
    assert (result.attended, result.reason, result.why_unknown) == (None, "unknown", "process_died")
    assert judge(Evidence(result.intervals, result.evidence.unseen), evening, RULE) == result


@pytest.mark.parametrize(
    ("evening", "spans", "reason"),
    [
        (HOUR, [lost(0, 3400), resumed(3405, 3600)], "stayed_to_end"),
        (HOUR, [lost(0, 3500), *seen((3520, 3580))], "stayed_to_end"),
        (HOUR, [lost(0, 1000), resumed(1030, 2000)], "left_early"),
        (HOUR, [lost(0, 1000), resumed(1030, 1030)], "left_early"),  # found gone: left in these 30 s
        (HOUR, [lost(0, 1000), *seen((1005, 1010))], "left_early"),
        (
            HOUR,
            [lost(0, 1000), *seen((900, 2000), (1005, 1005))],
            "left_early",
        ),  # the lost tab came there, too
        (PAUSED, [lost(1100, 1500), *seen((1600, 1700))], "no_show"),  # back in the pause, and left in it
        (PAUSED, [lost(1100, 1500), resumed(1700, 1700)], "no_show"),
        (HOUR, [lost(-300, -100), *seen((-90, -50))], "no_show"),
        (HOUR, [*seen((0, 100)), lost(3700, 3800)], "left_early"),  # lost after the stop
    ],
)
def test_loss_is_over_once_the_person_was_seen_again(evening, spans, reason):
    assert evaluate(spans, evening, RULE).reason == reason


def test_process_that_dies_within_the_grace_changes_nothing():
    assert evaluate([PresenceSpan(at(0), at(3550), lost=True)], HOUR, RULE).reason == "stayed_to_end"


def test_rule_text_is_parsed_back():
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
    """The order and the split into tabs, devices and processes do not matter."""
    live_time = LiveTime(live, live)
    once = evaluate(seen(*some), live_time, RULE)
    doubled = [each for each in some for _ in range(tabs)]
    pieces = [
        piece for start, end in doubled for piece in ((start, (start + end) / 2), ((start + end) / 2, end))
    ]
    random.shuffle(pieces)
    again = evaluate(seen(*pieces), live_time, RULE)
    assert (again.attended, again.reason, again.intervals) == (once.attended, once.reason, once.intervals)


losses = st.lists(st.booleans(), min_size=10, max_size=10)


@given(stretches, losses, losses, lives)
def test_stored_evidence_gives_the_same_verdict(some, lost, resumed, live):
    live_time = LiveTime(live, live)
    spans = [
        PresenceSpan(at(start), at(end), *how)
        for (start, end), *how in zip(some, lost, resumed, strict=False)
    ]
    first = evaluate(spans, live_time, RULE)
    assert judge(first.evidence, live_time, RULE) == first


@given(stretches, lives)
def test_more_presence_never_worsens_a_verdict(some, live):
    live_time = LiveTime(live, live)
    rank = ["no_show", "left_early", "stayed_to_end"]
    less = evaluate(seen(*some[1:]), live_time, RULE).reason
    more = evaluate(seen(*some), live_time, RULE).reason
    assert rank.index(more) >= rank.index(less)


@given(stretches, lives)
def test_attended_means_a_gap_below_the_grace(some, live):
    result = evaluate(seen(*some), LiveTime(live, live), RULE)
    present = clip([(at(a), at(b)) for a, b in some], live)
    assert (result.attended is True) == (bool(present) and end_gap_s(present, live) < RULE.grace_s)


class TestWatching:
    """The second rule: an hour, of which half has to be watched."""

    RULE = Rule(grace_s=90, settle_s=60, min_watched=50)

    def judged(self, *watched, opened=0.0, present=((0, 3600),), live=HOUR, rule=RULE, spans=()):
        record = WatchingRecord(None if opened is None else at(opened), [*seen(*watched), *spans])
        result = evaluate(seen(*present), live, rule, record)
        return result.attended, result.reason

    @pytest.mark.parametrize(
        ("watched", "attended", "reason"),
        [
            ([(0, 3600)], True, "stayed_to_end"),
            ([(0, 1800)], True, "stayed_to_end"),
            ([(0, 1799.9)], False, "watched_too_little"),
            ([(-900, 900), (1000, 1900), (2700, 4000)], True, "stayed_to_end"),
            ([(0, 1000), (500, 1500)], False, "watched_too_little"),  # the union of two devices
            ([(3000, 9000)], False, "watched_too_little"),
            ([], False, "watched_too_little"),
        ],
    )
    def test_least_share_of_the_live_time(self, watched, attended, reason):
        assert self.judged(*watched) == (attended, reason)

    def test_counts_from_the_opening_on(self):
        assert self.judged((0, 3600), opened=1800) == (True, "stayed_to_end")
        assert self.judged((0, 3600), opened=1801) == (False, "watched_too_little")

    def test_without_an_opening_watching_means_nothing(self):
        assert self.judged((0, 3600), opened=None) == (False, "not_watched")

    def test_watching_does_not_replace_the_end(self):
        assert self.judged((0, 3000), present=((0, 3000),)) == (False, "left_early")
        assert self.judged(opened=None, present=()) == (False, "no_show")

    def test_pauses_are_cut_out(self):
        paused = live_time((0, 600), (1200, 1800))
        watch = partial(self.judged, live=paused, present=((0, 1800),))
        assert watch((300, 900)) == (False, "watched_too_little")
        assert watch((300, 1500)) == (True, "stayed_to_end")

    def test_zero_is_the_first_rule(self):
        rule = Rule(grace_s=90, settle_s=60, min_watched=0)
        assert self.judged(opened=None, rule=rule) == (True, "stayed_to_end")

    @pytest.mark.parametrize(
        ("uncovered_s", "opened", "watched_s", "expected"),
        [
            (300, 0, 1500, (None, "unknown")),  # 1500 + 300 could be half
            (299, 0, 1500, (False, "watched_too_little")),
            (300, 0, 1800, (True, "stayed_to_end")),
            (300, None, 0, (False, "not_watched")),  # who never opened the broadcast did not watch it unseen
            (3000, 2400, 0, (False, "watched_too_little")),  # nothing before the opening could be watched
        ],
    )
    def test_unrecorded_time_that_could_decide_holds_the_verdict(
        self, uncovered_s, opened, watched_s, expected
    ):
        covered = [(0, 3500 - uncovered_s), (3500, 3600)]
        live = live_time((0, 3600), covered=covered)
        watched = [(0, watched_s)] if watched_s else []
        assert self.judged(*watched, opened=opened, live=live) == expected

    def test_lost_viewer_may_have_watched_until_next_seen(self):
        present = [PresenceSpan(at(0), at(1000), lost=True), PresenceSpan(at(1900), at(3600))]
        lost = WatchingRecord(at(0), [PresenceSpan(at(0), at(1000), lost=True)])
        result = evaluate(present, HOUR, self.RULE, lost)
        assert (result.reason, result.why_unknown) == ("unknown", "watching_not_recorded")
        soon = [present[0], PresenceSpan(at(1700), at(3600))]
        assert evaluate(soon, HOUR, self.RULE, lost).reason == "watched_too_little"

    def test_text_names_the_rule_and_its_values(self):
        assert str(self.RULE) == "end_gap_within_grace_and_watched grace_s=90 settle_s=60 min_watched=50"
        for rule in (self.RULE, RULE, Rule(0.5, 0, 12.5)):
            assert Rule.parse(str(rule)) == rule
        for text in ("end_gap_within_grace grace_s=90 settle_s=60 min_watched=50", f"{self.RULE} x=1"):
            with pytest.raises(ValueError, match="min_watched"):
                Rule.parse(text)

    @given(st.lists(st.tuples(st.integers(0, 3600), st.integers(0, 3600))), st.integers(0, 3600))
    def test_stored_evidence_gives_the_same_verdict(self, watched, opened):
        record = WatchingRecord(at(opened), seen(*watched))
        live = live_time((0, 1000), (1500, 3600), covered=[(0, 2000), (2500, 3600)])
        first = evaluate(seen((0, 3600)), live, self.RULE, record)
        assert judge(first.evidence, live, self.RULE) == first
