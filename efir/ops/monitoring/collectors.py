"""Prometheus collectors that ask the database and the rooms at each scrape, in a few indexed queries."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime

from django.db import Error as DatabaseError
from django.db.models import Count, Max, Min
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from efir.broadcast.status import senders
from efir.lib import clock
from efir.ops.monitoring.health import HEALTHY, component_states
from efir.room.hub import current_hub
from efir.server.models import WorkerHeartbeat
from efir.telegram.bot import lease
from efir.telegram.models import MessageState, OutboxMessage
from efir.telegram.outbox.queries import UNSETTLED
from efir.webinars.lifecycle import Status
from efir.webinars.models import Webinar

# Settled messages only grow and would take longer to count every evening; `efir_telegram_sends_total` counts them.
COUNTED = (*UNSETTLED, MessageState.UNCERTAIN)

# To be removed in 0.3: the names of 0.1, exposed beside the new ones so that alerts and dashboards go on.
DEPRECATED_NAMES = {
    "efir_component_up": "efir_well",
    "efir_classification_lag_seconds": "efir_unjudged_seconds",
    "efir_classification_duration_seconds": "efir_verdicts_seconds",
    "efir_telegram_sends": "efir_sends",
    "efir_asyncio_tasks": "efir_tasks",
}


class WithDeprecatedNames(Collector):
    """A collector whose renamed metrics also appear under their old names."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def collect(self) -> Iterator[Metric]:
        """Yield each metric, followed by its copy with the old name."""
        for metric in self._collector.collect():
            yield metric
            if old_name := DEPRECATED_NAMES.get(metric.name):
                old = Metric(old_name, f"Deprecated: use {metric.name}.", metric.type)
                old.samples = [
                    sample._replace(name=old_name + sample.name.removeprefix(metric.name))
                    for sample in metric.samples
                ]
                yield old


class InstallationCollector(Collector):
    """The state of the installation. Every process gives the same, except for its own viewers, tasks and threads."""

    def collect(self) -> Iterator[Metric]:
        """Yield each gauge. Those of the database are left out while it is away; `efir_component_up` says so."""
        yield from _process()
        up = {component: float(state in HEALTHY) for component, state in component_states().items()}
        yield _labelled("efir_component_up", "1 if /healthz finds this component well.", "part", up)
        try:
            yield from [_queue(), *_ages(), *_broadcasts()]
        except DatabaseError:
            return


def _process() -> Iterator[Metric]:
    yield GaugeMetricFamily("efir_threads", "Threads of this process.", value=threading.active_count())
    hub = current_hub()
    if hub is None:
        return
    yield GaugeMetricFamily("efir_asyncio_tasks", "Tasks of the event loop.", value=hub.task_count())
    people, streams = {}, {}
    for webinar_id, counts in hub.viewer_counts().items():
        people[str(webinar_id)], streams[str(webinar_id)] = map(float, counts)
    yield _labelled("efir_viewers", "People in the room in this process.", "webinar", people)
    yield _labelled("efir_streams", "Streams that this process holds open.", "webinar", streams)


def _queue() -> Metric:
    counted = OutboxMessage.objects.filter(state__in=COUNTED).values_list("state").annotate(Count("pk"))
    found = dict(counted.order_by())
    by_state = {state.value: float(found.get(state.value, 0)) for state in COUNTED}
    return _labelled("efir_messages", "Messages that are not settled, by state.", "state", by_state)


def _ages() -> Iterator[Metric]:
    due = OutboxMessage.objects.filter(state=MessageState.QUEUED, due_at__lte=clock.now())
    yield from _age(
        "efir_oldest_due_seconds",
        "Age of the oldest due message; 0 if none is due.",
        due.aggregate(at=Min("due_at"))["at"],
        if_none=0,
    )
    stopped = Webinar.objects.filter(status=Status.FINISHED, classification__done_at=None)
    yield from _age(
        "efir_classification_lag_seconds",
        "Time since the stop of the webinar that waits longest for its verdicts; 0 if none waits.",
        stopped.aggregate(at=Min("finished_at"))["at"],
        if_none=0,
    )
    heartbeat = WorkerHeartbeat.objects.aggregate(at=Max("beat_at"))["at"]
    yield from _age(
        "efir_worker_heartbeat_age_seconds", "Time since the last heartbeat of a worker.", heartbeat
    )
    bot = lease.state().first()
    yield from _age(
        "efir_dispatcher_heartbeat_age_seconds",
        "Time since the last heartbeat of the dispatcher.",
        bot.heartbeat_at if bot else None,
    )


def _broadcasts() -> Iterator[Metric]:
    rates = {str(webinar_id): kbps * 1000.0 for webinar_id, kbps in senders().items()}
    yield GaugeMetricFamily(
        "efir_broadcast_senders", "Senders of own broadcasts that are sending.", value=len(rates)
    )
    yield _labelled(
        "efir_broadcast_bits_per_second", "Bit rate of picture and sound, by webinar.", "webinar", rates
    )


def _age(name: str, text: str, since: datetime | None, if_none: float | None = None) -> Iterator[Metric]:
    value = max(0.0, (clock.now() - since).total_seconds()) if since else if_none
    if value is not None:
        yield GaugeMetricFamily(name, text, value=value)


def _labelled(name: str, text: str, label: str, values: dict[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family
