"""The oracle of tests/oracle by itself: stories with known verdicts, and wrong verdicts that it must find."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.oracle.evening import POSTGRES_FAULTS, SQLITE_FAULTS, write_evening
from tests.oracle.evidence import Blindness, Evidence, Request, Served, Story, Stream, Window
from tests.oracle.judge import Judge

ENDED = 40.1


def evidence(*blindness: Blindness, pauses: tuple[tuple[float, float], ...] = (), **fields) -> Evidence:
    """An evening from 4 s to 40 s, with a grace period of 5 s and two web processes."""
    edges = [4.0, *(edge for pause in pauses for edge in pause), 40.0]
    moments = [Window(edge, edge + 0.05) for edge in edges if edge <= 40]
    live = list(zip(moments[::2], moments[1::2], strict=False))
    values = {"grace_s": 5.0, "min_watched": 0.0, "processes": 2, "slack_s": 0.3} | fields
    return Evidence(**values, live=live, stop=moments[-1], blindness=list(blindness))


def stream(opens: float, shut: float = float("inf"), process: int = 0, *, watching: bool = False) -> Stream:
    ended = min(shut, 40.0) + 0.1
    return Stream(process, watching, opens, opens + 0.05, shut, ended)


def story(*streams: Stream, seat: bool = True, opening: float = 0.0) -> Story:
    booked = Request(1.0, 1.1, 200) if seat else None
    openings = [Request(opening, opening + 0.1, 200)] if opening else []
    return Story("somebody", "by hand", seat=booked, streams=list(streams), openings=openings)


def reasons(person: Story, known: Evidence) -> set[str]:
    return set(Judge(known).allowed(person).reasons)


def blind(kind: str, since: float, until: float, process: int = 0) -> Blindness:
    return Blindness(process, kind, Window(since, since), Window(until, until))


@pytest.mark.parametrize(
    ("person", "right"),
    [
        (story(stream(2)), {"stayed_to_end"}),
        (story(stream(2), seat=False), {"stayed_to_end"}),
        (story(stream(2, 37)), {"stayed_to_end"}),
        (story(stream(2, 33)), {"left_early"}),
        (story(stream(2, 34.95)), {"stayed_to_end", "left_early"}),
        (story(stream(2, 20), stream(19, 38, 1)), {"stayed_to_end"}),
        (story(stream(39)), {"stayed_to_end"}),
        (story(stream(1, 3)), {"no_show"}),
        (story(stream(1, 3), seat=False), {"none"}),
        (story(stream(41, 42)), {"no_show"}),
        (story(), {"no_show"}),
        (story(seat=False), {"none"}),
    ],
)
def test_judge_without_faults(person, right):
    assert reasons(person, evidence()) == right


@pytest.mark.parametrize(
    ("person", "right"),
    [
        (story(stream(2, 25)), {"stayed_to_end"}),
        (story(stream(2, 13)), {"left_early"}),
        (story(stream(21, 25)), {"no_show"}),
        (story(stream(21)), {"stayed_to_end"}),
        (story(stream(2, 10), stream(21, 25)), {"left_early"}),
    ],
)
def test_judge_cuts_pauses_out(person, right):
    assert reasons(person, evidence(pauses=((20, 37),))) == right


def test_stop_in_a_pause_is_judged_by_the_time_before():
    known = evidence(pauses=((30, 50),))
    known.stop = Window(40.0, 40.05)
    assert reasons(story(stream(2, 32)), known) == {"stayed_to_end"}
    assert reasons(story(stream(2, 20), stream(32)), known) == {"left_early"}


@pytest.mark.parametrize(
    ("person", "fault", "right"),
    [
        # Cut off by a killed process: held, unless they are seen again or were there in the grace period.
        (story(replace(stream(2), ended=20.0)), blind("killed", 20, 25), {"unknown"}),
        (story(replace(stream(2), ended=20.0), seat=False), blind("killed", 20, 25), {"unknown"}),
        (
            story(replace(stream(2), ended=20.0), stream(21, process=1)),
            blind("killed", 20, 25),
            {"stayed_to_end"},
        ),
        (story(replace(stream(2), ended=20.0), stream(21, 25, 1)), blind("killed", 20, 25), {"left_early"}),
        # On the other process all the time, where the end of a second stream shows no return.
        (
            story(replace(stream(2), ended=20.0), stream(2, 24, 1), stream(21, 25, 1)),
            blind("killed", 20, 25),
            {"left_early", "unknown"},
        ),
        (story(replace(stream(2), ended=38.0)), blind("killed", 38, 50), {"stayed_to_end", "unknown"}),
        (story(stream(2, 10)), blind("killed", 20, 25), {"left_early"}),
        (story(stream(2, 10, 1)), blind("killed", 20, 25), {"left_early"}),
        # An open stream on a process that hangs over the stop.
        (story(stream(2)), blind("frozen", 30, 45), {"stayed_to_end", "unknown"}),
        (story(replace(stream(2), ended=30.0), stream(3, 32, 1)), blind("killed", 30, 45), {"unknown"}),
        (story(stream(2), stream(3, 32, 1)), blind("frozen", 30, 45), {"stayed_to_end", "unknown"}),
        # Closed in the silence: true, or held.
        (story(replace(stream(2, 12), ended=25.1)), blind("frozen", 10, 25), {"left_early", "unknown"}),
        (story(replace(stream(2, 24), ended=39.1)), blind("frozen", 22, 39), {"left_early", "unknown"}),
        (story(replace(stream(2, 38), ended=39.1)), blind("frozen", 22, 39), {"stayed_to_end", "unknown"}),
        # Short silences and clean stops hide nothing.
        (story(stream(2)), blind("frozen", 20, 24), {"stayed_to_end"}),
        (story(replace(stream(2), ended=20.0)), blind("stopped", 20, 25), {"left_early"}),
        (story(), blind("killed", 20, 50), {"no_show"}),
    ],
)
def test_judge_after_a_fault(person, fault, right):
    assert reasons(person, evidence(fault)) == right


def test_waiting_in_a_pause_at_a_killed_process_is_held():
    known = evidence(blind("killed", 22, 50), pauses=((10, 25),))
    for seat in (True, False):
        waits = replace(stream(16), ended=22.0)
        assert reasons(story(waits, seat=seat), known) == {"unknown"}


def test_nobody_is_a_no_show_while_the_only_process_is_down():
    known = evidence(blind("killed", 10, 30), processes=1)
    assert reasons(story(), known) == {"unknown"}
    assert reasons(story(seat=False), known) == {"none"}
    known = evidence(blind("stopped", 34, 50), processes=1)
    assert reasons(story(stream(2, 20)), known) == {"unknown"}


@pytest.mark.parametrize(
    ("person", "right"),
    [
        (story(stream(2)), {"not_watched"}),
        (story(stream(2), stream(5, watching=True), opening=4.5), {"stayed_to_end"}),
        (story(stream(2), stream(30, watching=True), opening=29.5), {"watched_too_little"}),
        (story(stream(2), stream(5, watching=True)), {"not_watched"}),
        (story(stream(2), stream(5, watching=True), opening=30), {"watched_too_little"}),
        (story(stream(2), stream(5, 30, watching=True), opening=4.5), {"stayed_to_end"}),
        (story(stream(5, 30, watching=True), opening=4.5), {"left_early"}),
    ],
)
def test_judge_requires_watching(person, right):
    assert reasons(person, evidence(min_watched=50.0)) == right


def test_unseen_time_after_the_opening_holds_the_verdict():
    known = evidence(blind("killed", 8, 30), processes=1, min_watched=50.0)
    cut = replace(stream(5, watching=True), ended=8.0)
    person = story(cut, stream(31, watching=True), opening=4.5)
    assert "unknown" in reasons(person, known)
    assert "stayed_to_end" not in reasons(person, known)


def test_slow_answer_widens_the_allowed_verdicts():
    slow = replace(stream(2), asked=33.0, accepted=41.0)
    assert reasons(story(slow), evidence()) == {"stayed_to_end", "no_show"}
    unanswered = Story("somebody", "by hand", seat=Request(38.0))
    assert reasons(unanswered, evidence()) == {"no_show", "none"}


STAYED = Served("stayed_to_end", True, "a rule", 36.0, (), recomputed="stayed_to_end")


@pytest.mark.parametrize(
    ("served", "complaint"),
    [
        (STAYED, ""),
        (
            replace(STAYED, reason="left_early", attended=False, recomputed="left_early"),
            "left_early is wrong",
        ),
        (replace(STAYED, reason="unknown", attended=None, recomputed="unknown"), "unknown is wrong"),
        (replace(STAYED, attended=False), "attended=False"),
        (replace(STAYED, recomputed="left_early"), "recomputed"),
        (replace(STAYED, present_s=34.0), "present for 34.00 s"),
        (None, "none is wrong"),
    ],
)
def test_wrong_verdict_is_found(served, complaint):
    found = Judge(evidence()).complaint(story(stream(2)), served)
    assert complaint in found
    assert bool(complaint) == bool(found)


@pytest.mark.parametrize("postgres", [False, True])
def test_a_seed_gives_the_same_evening_again(postgres):
    scenarios = POSTGRES_FAULTS if postgres else SQLITE_FAULTS
    for seed in range(len(scenarios)):
        first, again = (
            write_evening(seed, 50, postgres=postgres, scenarios=(), watching=True) for _ in range(2)
        )
        assert first == again
        assert first.scenario == scenarios[seed]
        assert len(first.people) == 50
