"""What `/metrics` asks of the database and of the rooms at each scrape: a few indexed queries, however many people."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime

from django.db import Error as DatabaseError
from django.db.models import Count, Max, Min
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from efir.lib import clock
from efir.ops.monitoring.health import WELL, parts_of_health
from efir.room.hub import current_hub
from efir.server.models import WorkerBeat
from efir.telegram.bot import lease
from efir.telegram.models import MessageState, OutboxMessage
from efir.telegram.outbox.enqueue import UNSETTLED
from efir.webinars.lifecycle import Status
from efir.webinars.models import Webinar

# What is settled only grows, and would cost more to count with each evening: `efir_sends_total` counts it as it comes.
COUNTED = (*UNSETTLED, MessageState.UNCERTAIN)


class Gauges(Collector):
    """The installation now. Every process gives the same, but for its own viewers."""

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing: to be registered must not ask the database."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Each gauge; those of the database are left out while it is away, and `efir_well` says so."""
        yield from _process()
        yield from _audience()
        yield _labelled("efir_well", "1 where /healthz finds this part well.", "part", _wells())
        try:
            yield from [_queue(), *_ages()]
        except DatabaseError:
            return


def _process() -> Iterator[GaugeMetricFamily]:
    """What must not grow from one evening to the next."""
    hub = current_hub()
    if hub is not None:
        yield GaugeMetricFamily("efir_tasks", "Tasks of the event loop.", value=hub.task_count())
    yield GaugeMetricFamily("efir_threads", "Threads of this process.", value=threading.active_count())


def _wells() -> dict[str, float]:
    return {part: float(state in WELL) for part, state in parts_of_health().items()}


def _audience() -> Iterator[GaugeMetricFamily]:
    hub = current_hub()
    if hub is None:
        return
    audience = hub.viewer_counts()
    people = {str(webinar_id): float(people) for webinar_id, (people, _) in audience.items()}
    streams = {str(webinar_id): float(streams) for webinar_id, (_, streams) in audience.items()}
    yield _labelled("efir_viewers", "People in the room by this process.", "webinar", people)
    yield _labelled("efir_streams", "Streams that this process holds open.", "webinar", streams)


def _queue() -> GaugeMetricFamily:
    counted = OutboxMessage.objects.filter(state__in=COUNTED).values_list("state").annotate(Count("pk"))
    found = dict(counted.order_by())
    by_state = {state.value: float(found.get(state.value, 0)) for state in COUNTED}
    return _labelled("efir_messages", "Messages that are not settled, by state.", "state", by_state)


def _ages() -> Iterator[GaugeMetricFamily]:
    now = clock.now()
    due = OutboxMessage.objects.filter(state=MessageState.QUEUED, due_at__lte=now).aggregate(at=Min("due_at"))
    stopped = Webinar.objects.filter(status=Status.FINISHED, classification__done_at=None)
    beat = WorkerBeat.objects.aggregate(at=Max("beat_at"))
    bot = lease.state().first()
    yield from _age(
        "efir_oldest_due_seconds", "How long the oldest due message waits; 0 where none does.", due["at"], 0
    )
    yield from _age(
        "efir_unjudged_seconds",
        "How long ago the webinar stopped that waits longest for its verdicts; 0 where none does.",
        stopped.aggregate(at=Min("finished_at"))["at"],
        0,
    )
    yield from _age("efir_worker_heartbeat_age_seconds", "Since a worker's last sign of life.", beat["at"])
    heartbeat = bot.heartbeat_at if bot else None
    yield from _age(
        "efir_dispatcher_heartbeat_age_seconds", "Since the dispatcher's last sign of life.", heartbeat
    )


def _age(
    name: str, text: str, since: datetime | None, otherwise: float | None = None
) -> Iterator[GaugeMetricFamily]:
    value = max(0.0, (clock.now() - since).total_seconds()) if since else otherwise
    if value is not None:
        yield GaugeMetricFamily(name, text, value=value)


def _labelled(name: str, text: str, label: str, values: dict[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family
