"""The worker gives verdicts chunk by chunk, and makes way for others that write."""

from __future__ import annotations

import asyncio

import pytest

from efir.attendance import classifier
from efir.server import worker
from efir.server.worker import Worker


@pytest.fixture
def chunks(monkeypatch):
    """Let there be chunks to classify; return the list of those that are still to come."""
    left = [True] * 3

    def classify_due():
        return bool(left and left.pop())

    monkeypatch.setattr(classifier, "classify_due", classify_due)
    return left


@pytest.fixture
def pauses(monkeypatch):
    """Let every pause end at once; return the list of their lengths."""
    made = []

    async def wait_for(event, within_s):
        made.append(within_s)
        return event.is_set()

    monkeypatch.setattr(worker, "wait_for", wait_for)
    monkeypatch.setattr(worker, "TICK_S", 60.0)
    return made


def classify(*, stop=False):
    event = asyncio.Event()
    if stop:
        event.set()
    return asyncio.run(Worker().classify(event))


def test_chunks_follow_each_other_while_nobody_waits(chunks, pauses):
    assert classify() is False
    assert (chunks, pauses) == ([], [])


def test_pause_follows_each_chunk_that_somebody_waited_for(chunks, pauses, monkeypatch):
    monkeypatch.setattr(worker, "pop_writers_waited", lambda: True)
    assert classify() is False
    assert len(pauses) == 3
    assert min(pauses) > 0


def test_other_jobs_have_their_turn_after_a_tick(chunks, pauses, monkeypatch):
    monkeypatch.setattr(worker, "TICK_S", 0.0)
    assert classify() is True
    assert len(chunks) == 3


def test_stop_ends_the_classification(chunks, pauses):
    assert classify(stop=True) is True
    assert len(chunks) == 3


def test_failure_waits_for_the_next_tick(pauses, monkeypatch):
    def fail():
        raise RuntimeError

    monkeypatch.setattr(classifier, "classify_due", fail)
    assert classify() is False
