"""The queue of writers serves them in the order of arrival."""

from __future__ import annotations

import threading
import time

from efir.lib.sqlite.write_queue import WriteQueue

LONG_S = 60.0


def test_free_queue_gives_a_turn_at_once():
    queue = WriteQueue()
    assert queue.enter(LONG_S)
    queue.leave()
    assert queue.enter(LONG_S)


def test_turns_go_by_arrival():
    queue, order = WriteQueue(), []
    queue.enter(LONG_S)

    def take_turn(name):
        queue.enter(LONG_S)
        order.append(name)
        queue.leave()

    threads = []
    for name in range(5):
        threads.append(threading.Thread(target=take_turn, args=(name,)))
        threads[-1].start()
        while len(queue._waiting) < len(threads):
            time.sleep(0.001)
    queue.leave()
    queue.enter(LONG_S)  # whoever has just had a turn is last
    order.append("again")
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4, "again"]


def test_cancelled_waiter_is_skipped():
    queue = WriteQueue()
    queue.enter(LONG_S)
    assert not queue.enter(0.01)
    queue.leave()
    assert queue.enter(0.01)


def test_queue_tells_once_that_somebody_waited():
    queue = WriteQueue()
    queue.enter(LONG_S)
    queue.leave()
    assert not queue.pop_has_waited()
    queue.enter(LONG_S)
    queue.enter(0.01)
    assert [queue.pop_has_waited() for _ in range(2)] == [True, False]
