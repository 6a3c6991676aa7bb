"""Counters and histograms of this process for `/metrics`, which reads everything else from the database.

No label names a person, and nothing is counted for each viewer or each write.
"""

from __future__ import annotations

from functools import lru_cache

from prometheus_client import Counter, Histogram

REQUESTS = Counter("efir_http_requests", "HTTP requests answered.", ["route", "status"])
FAN_OUT = Histogram(
    "efir_fan_out_seconds",
    "Time from noticing a webinar's change to the write to its last viewer in this process.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
PASSWORD_QUEUE = Histogram(
    "efir_password_queue_seconds",
    "Time that a request with a password waited in the queue.",
    buckets=(0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
TALK_FAN_OUT = Histogram(
    "efir_talk_fan_out_seconds",
    "Time from reading a room's new messages to the write to its last viewer in this process.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
TALK_MESSAGES = Counter("efir_talk_messages", "Messages and questions accepted in the rooms.", ["kind"])
TALK_REFUSED = Counter("efir_talk_refused", "Messages refused in the rooms, by the reason.", ["code"])
SENDS = Counter("efir_telegram_sends", "Calls that send a message, by outcome.", ["outcome"])
CALL = Histogram(
    "efir_telegram_call_seconds",
    "Duration of a call that sends a message.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15),
)
VERDICTS = Histogram(
    "efir_classification_duration_seconds",
    "Time from a webinar's stop until everybody had a verdict.",
    buckets=(30, 60, 90, 120, 180, 300, 600, 1800, 3600),
)

BROADCAST_RECEIVED = Counter("efir_broadcast_received_bytes", "Bytes of senders' chunks that were accepted.")
BROADCAST_SEGMENTS = Counter(
    "efir_broadcast_segments",
    "Segments that this worker made: of the full rung, and of the low one.",
    ["rung"],
)
BROADCAST_LEFT_OUT = Counter(
    "efir_broadcast_low_left_out", "Segments that this worker could not encode for the low rung in time."
)
BROADCAST_DELAY = Histogram(
    "efir_broadcast_delay_seconds",
    "Time from the arrival of a segment's last chunk until players can fetch the segment.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
MEDIA_SENT = Counter("efir_media_sent_bytes", "Bytes of segments and recordings that were sent.")


def count_request(route: str, status: int) -> None:
    """Count a request; `route` is the pattern of its address, so that labels stay few."""
    _requests(route, f"{status // 100}xx").inc()


@lru_cache(maxsize=1000)
def _requests(route: str, status: str) -> Counter:
    return REQUESTS.labels(route, status)
