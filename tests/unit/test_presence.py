"""Presence in memory: one person is one person, whatever their browsers do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.strategies import integers, sampled_from

from efir.room.presence import MAX_GAP_S, Presence

ZERO = datetime(2026, 11, 23, 16, tzinfo=UTC)


def at(second: float) -> datetime:
    return ZERO + timedelta(seconds=second)


def intervals(presence: Presence) -> list[tuple[datetime, datetime | None]]:
    return [(row.began_at, row.ended_at) for row in presence.pending().intervals]


def test_two_tabs_are_one_interval():
    presence = Presence(at(0), 0)
    assert presence.enter(1, 7, at(1))
    assert not presence.enter(1, 7, at(2))
    assert not presence.leave(1, 7, at(3))
    assert presence.count(1) == 1
    assert presence.leave(1, 7, at(5))
    # The second one came at 2: that is known, and adds nothing.
    assert intervals(presence) == [(at(1), at(5)), (at(2), at(2))]


def test_presence_ends_when_the_last_tab_was_last_seen():
    presence = Presence(at(0), 0)
    presence.enter(1, 7, at(1))
    presence.enter(1, 7, at(1))
    presence.leave(1, 7, at(40))
    presence.leave(1, 7, at(20))  # noticed later, but seen alive earlier
    assert intervals(presence) == [(at(1), at(40))]


def test_written_rows_are_forgotten_unless_they_changed_meanwhile():
    presence = Presence(at(0), 0)
    presence.enter(1, 7, at(1))
    pending = presence.pending()
    presence.leave(1, 7, at(2))
    presence.written(pending)
    assert intervals(presence) == [(at(1), at(2))]
    presence.written(presence.pending())
    assert not presence.has_changes


def test_empty_room_keeps_no_memory():
    presence = Presence(at(0), 0)
    for person_id in range(2000):
        presence.enter(1, person_id, at(1))
    for person_id in range(2000):
        presence.leave(1, person_id, at(2))
    presence.written(presence.pending())
    presence.tick(at(3), 3)
    assert not presence._present.rooms
    assert presence.enter(1, 7, at(4))
    assert presence.count(1) == 1


def test_viewer_who_stays_costs_no_writes():
    presence = Presence(at(0), 0)
    presence.enter(1, 7, at(1))
    presence.written(presence.pending())
    presence.tick(at(2), 2)
    assert presence.pending().intervals == ()
    assert [row.pulsed_at for row in presence.pending().recorders] == [at(2)]


def test_gap_begins_a_new_recorder_and_leaves_the_old_one_open():
    presence = Presence(at(0), 0)
    presence.enter(1, 7, at(1))
    presence.tick(at(5), 5)
    presence.tick(at(100), 5 + MAX_GAP_S + 1)
    old, new = presence.pending().recorders
    assert (old.pulsed_at, old.closed_at, new.started_at) == (at(5), None, at(100))
    assert [(row.recorder_id, row.began_at, row.ended_at) for row in presence.pending().intervals] == [
        (old.id, at(1), None),
        (new.id, at(100), None),
    ]


def test_watching_is_the_union_of_the_streams_that_play():
    presence = Presence(at(0), 0)
    presence.enter(1, 7, at(1))
    presence.enter(1, 7, at(5), watching=True)
    presence.enter(1, 7, at(8), watching=True)
    presence.leave(1, 7, at(9), watching=True)
    presence.leave(1, 7, at(12), watching=True)
    presence.leave(1, 7, at(20))
    pending = presence.pending()
    assert intervals(presence)[0] == (at(1), at(20))
    assert [(row.began_at, row.ended_at) for row in pending.watching] == [(at(5), at(12))]
    presence.written(pending)
    assert not presence.has_changes


def test_gap_begins_a_new_interval_of_watching():
    presence = Presence(at(0), 0)
    presence.enter(1, 7, at(1), watching=True)
    presence.tick(at(100), MAX_GAP_S + 1)
    presence.close(at(101))
    old, new = presence.pending().recorders
    assert [(row.recorder_id, row.began_at, row.ended_at) for row in presence.pending().watching] == [
        (old.id, at(1), None),
        (new.id, at(100), at(101)),
    ]


@pytest.mark.parametrize(
    ("moment", "steady_s", "repeats_until", "skipped_from"),
    [
        (3600, 3600, None, None),  # the machine slept
        (-3600, 6, 5, None),  # its clock was set back: the time between comes twice
        (3600, 6, None, 6),  # its clock was set ahead: the time between never came
    ],
)
def test_wall_clock_jump_begins_a_new_recorder(moment, steady_s, repeats_until, skipped_from):
    presence = Presence(at(0), 0)
    presence.enter(1, 7, at(1))
    presence.tick(at(5), 5)
    presence.tick(at(moment), steady_s)
    old, new = presence.pending().recorders
    assert (old.pulsed_at, old.closed_at, old.repeats_until) == (at(5), None, None)
    assert (new.started_at, new.repeats_until) == (at(moment), repeats_until and at(repeats_until))
    assert new.skipped_from == (skipped_from and at(skipped_from))
    assert [(row.recorder_id, row.began_at) for row in presence.pending().intervals] == [
        (old.id, at(1)),
        (new.id, at(moment)),
    ]


def test_small_clock_correction_is_no_gap():
    presence = Presence(at(0), 0)
    for second, moment in enumerate((1, 9, 8, 2, 3)):
        presence.tick(at(moment), second + 1)
    assert len(presence.pending().recorders) == 1


def test_close_ends_every_interval():
    presence = Presence(at(0), 0)
    presence.enter(1, 7, at(1))
    presence.enter(2, 8, at(2))
    presence.close(at(9))
    assert {row.ended_at for row in presence.pending().intervals} == {at(9)}
    assert [row.closed_at for row in presence.pending().recorders] == [at(9)]


class PresenceMachine(RuleBasedStateMachine):
    """Tabs open and close, flushes succeed or fail: what is written is the union of all tabs."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.presence = Presence(at(0), 0)
        self.tabs: list[int] = []
        self.here: dict[int, set[int]] = {}
        self.stored: dict[object, object] = {}

    def _pass(self) -> datetime:
        self.now += 1
        for person in set(self.tabs):
            self.here.setdefault(person, set()).add(self.now - 1)
        return at(self.now)

    @rule(person=integers(1, 3))
    def open_tab(self, person):
        moment = self._pass()
        self.presence.enter(1, person, moment)
        self.tabs.append(person)

    @precondition(lambda self: self.tabs)
    @rule(which=integers(0, 20))
    def close_tab(self, which):
        moment = self._pass()
        self.presence.leave(1, self.tabs.pop(which % len(self.tabs)), moment)

    @rule(works=sampled_from([True, False]))
    def flush(self, works):
        self._pass()
        pending = self.presence.pending()
        if works:
            for row in pending.intervals:
                self.stored[row.recorder_id, row.person_id, row.began_at] = row
            self.presence.written(pending)

    @invariant()
    def stored_and_pending_rows_are_the_true_presence(self):
        rows = self.stored | {
            (r.recorder_id, r.person_id, r.began_at): r for r in self.presence.pending().intervals
        }
        seen: dict[int, set[int]] = {}
        for row in rows.values():
            end = row.ended_at or at(self.now)
            whole = range(int((row.began_at - ZERO).total_seconds()), int((end - ZERO).total_seconds()))
            seen.setdefault(row.person_id, set()).update(whole)
        assert {person: moments for person, moments in seen.items() if moments} == {
            person: moments for person, moments in self.here.items() if moments
        }
        assert self.presence.count(1) == len(set(self.tabs))


TestPresenceMachine = PresenceMachine.TestCase
TestPresenceMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
