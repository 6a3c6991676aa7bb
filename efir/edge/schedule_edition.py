"""Number the editions of the schedule: pages that show it are rendered once for each edition."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta

from efir.lib import clock
from efir.site_settings import current
from efir.webinars.schedule import Schedule, ScheduleCache
from efir.webinars.templatetags.webinar_labels import has_begun, is_delayed

# The pages say «сегодня»: that ends at midnight, and time zones differ by quarters of an hour.
QUARTER_S = 15 * 60
# How often to look for texts that depend on the time, such as a countdown that is over.
CHECK_EVERY = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Edition:
    """The schedule, with another `number` if pages must show it in another way. `webinar_ids`: those it shows.

    `check` counts how often the schedule was compared: every second, and after every change.
    """

    number: int
    check: int
    schedule: Schedule
    webinar_ids: frozenset[int]
    check_at: datetime
    fingerprint: Hashable


class ScheduleEditions:
    """The last edition of this process."""

    def __init__(self) -> None:
        self._last: Edition | None = None

    async def current(self, cache: ScheduleCache) -> Edition:
        """Return the edition of now. Raises the database's errors."""
        schedule, last = await cache.get(), self._last
        if last and last.schedule is schedule and clock.now() < last.check_at:
            return last
        check_at, fingerprint = clock.now() + CHECK_EVERY, _fingerprint(schedule)
        number = last.number + (fingerprint != last.fingerprint) if last else 1
        check = last.check + 1 if last else 1
        webinar_ids = frozenset(webinar.pk for webinar in (*schedule.on_air, *schedule.upcoming))
        self._last = Edition(number, check, schedule, webinar_ids, check_at, fingerprint)
        return self._last


def _fingerprint(schedule: Schedule) -> Hashable:
    """Return everything that the rendered pages depend on."""
    quarter = int(clock.now().timestamp() // QUARTER_S)
    shown = (*schedule.on_air, *schedule.upcoming)
    site = current.cached().version
    return quarter, site, *((w.pk, w.version, has_begun(w.starts_at), is_delayed(w.starts_at)) for w in shown)
