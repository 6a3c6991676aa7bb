"""Record when people first open the broadcast and get the player. Watching counts from then on.

When a webinar starts, everybody presses «Войти в эфир» within seconds. Openings that arrive while others are being
written are written together, and nobody gets the player before their opening is committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from django.db.models import Q

from efir.accounts.capabilities import Capability, can
from efir.accounts.models import Person
from efir.hooks.actions import ActionRefused, Code
from efir.lib import clock
from efir.lib.concurrency import REQUEST_POOL
from efir.room.models import Opening
from efir.webinars.lifecycle import ON_AIR
from efir.webinars.models import Webinar
from efir.webinars.selectors import visible_webinar

# Pairs of webinar and person in one query: SQLite takes 1000 terms at most.
CHUNK = 300


def open_broadcast(webinar_id: int, person: Person) -> Webinar:
    """Record that the person opens the broadcast, and return the webinar. Idempotent: the first time stays.

    Raises ActionRefused if the person may not enter the room, or if the webinar is not on air.
    """
    if not can(person, Capability.ENTER_ROOM):
        raise ActionRefused(Code.FORBIDDEN, Capability.ENTER_ROOM)
    webinar = visible_webinar(webinar_id, drafts=can(person, Capability.EDIT_WEBINAR))
    if webinar is None:
        raise ActionRefused(Code.NOT_FOUND)
    opened = record_openings([(webinar_id, person.pk)]).get(webinar_id)
    if opened is None:
        raise ActionRefused(Code.WATCH_INVALID_STATE, f"there is no broadcast while {webinar.status}")
    return opened


def record_openings(pairs: Collection[tuple[int, int]]) -> dict[int, Webinar]:
    """Record the first opening of each (webinar id, person id). Return those of the webinars that are on air, by id.

    Nothing is recorded for the others. The caller must have refused people who may not enter the room.
    """
    on_air = Webinar.objects.filter(pk__in={webinar_id for webinar_id, _ in pairs}, status__in=ON_AIR)
    webinars = on_air.in_bulk()
    wanted = sorted({pair for pair in pairs if pair[0] in webinars})
    for start in range(0, len(wanted), CHUNK):
        chunk = wanted[start : start + CHUNK]
        these = Q(webinar_id__in={pair[0] for pair in chunk}, person_id__in={pair[1] for pair in chunk})
        known = set(Opening.objects.filter(these).values_list("webinar_id", "person_id"))
        opened_at = clock.now()
        Opening.objects.bulk_create(
            [
                Opening(webinar_id=pair[0], person_id=pair[1], opened_at=opened_at)
                for pair in chunk
                if pair not in known
            ],
            ignore_conflicts=True,
        )
    return webinars


class OpeningWriter:
    """Writes the openings of this process in batches. Its methods run on the event loop."""

    def __init__(self) -> None:
        self._waiting: list[tuple[tuple[int, int], asyncio.Future[Webinar | None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def open(self, webinar_id: int, person_id: int) -> Webinar | None:
        """Record an opening. Return the webinar once that is committed, or None if it is not on air.

        Raises the database's errors.
        """
        done: asyncio.Future[Webinar | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(((webinar_id, person_id), done))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        return await done

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                webinars = await REQUEST_POOL.run(record_openings, [pair for pair, _ in batch])
            except Exception as exc:
                _settle_all(batch, exc)
                continue
            for (webinar_id, _), done in batch:
                if not done.done():  # the visitor may have gone away
                    done.set_result(webinars.get(webinar_id))
        self._writing = None


def _settle_all(batch: Collection[tuple[object, asyncio.Future[Webinar | None]]], error: Exception) -> None:
    for _, done in batch:
        if not done.done():
            done.set_exception(error)
