"""Sets of moments, compared with sets of whole seconds."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from efir.attendance.intervals import after, clip, last_s, total_s, union

ZERO = datetime(2026, 11, 23, 16, tzinfo=UTC)


def at(second: float) -> datetime:
    return ZERO + timedelta(seconds=second)


seconds = st.integers(0, 200)
span = st.tuples(seconds, seconds).map(lambda pair: (at(min(pair)), at(max(pair))))
spans = st.lists(span, max_size=12)


def seconds_in(some: list[tuple[datetime, datetime]]) -> set[int]:
    """Return the whole seconds of the set: the model."""
    return {second for start, end in some for second in range(200) if start <= at(second) < end}


@given(spans, st.randoms())
def test_union_is_independent_of_order(some, random):
    shuffled = list(some)
    random.shuffle(shuffled)
    assert union(shuffled) == union(some) == union([*some, *shuffled])


@given(spans)
def test_union_is_sorted_disjoint_and_complete(some):
    joined = union(some)
    assert seconds_in(joined) == seconds_in(some)
    assert all(first[1] < second[0] for first, second in itertools.pairwise(joined))
    assert total_s(some) == len(seconds_in(some))


@given(spans, spans)
def test_clip_is_the_intersection(some, window):
    assert seconds_in(clip(some, window)) == seconds_in(some) & seconds_in(window)


@given(spans, seconds)
def test_after_drops_earlier_moments(some, second):
    assert seconds_in(after(some, at(second))) == {each for each in seconds_in(some) if each >= second}


@given(spans, st.integers(0, 250))
def test_last_seconds_count_across_gaps(some, length):
    assert seconds_in(last_s(some, length)) == set(sorted(seconds_in(some))[-length:] if length else [])
