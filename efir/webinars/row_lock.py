"""Locks of one webinar: exclusive for one transaction that changes it, or shared by those that rely on it."""

from __future__ import annotations

from django.db import connection

from efir.hooks.actions import ActionRefused, Code
from efir.lib.compiled_query import CompiledQuery, Parameter, columns_of, object_from
from efir.webinars.models import Webinar

_BY_ID = CompiledQuery(
    lambda: Webinar.objects.filter(pk=Parameter("webinar_id", Webinar, "id")).values_list(
        *columns_of(Webinar)
    )
)


def lock(webinar_id: int) -> Webinar:
    """Return the webinar, locked until the transaction ends, in order to change it. Raises ActionRefused."""
    _advisory_lock("pg_advisory_xact_lock", webinar_id)
    # no_key: rows that refer to the webinar (presence, verdicts) are inserted without waiting for this lock.
    webinar: Webinar | None = Webinar.objects.select_for_update(no_key=True).filter(pk=webinar_id).first()
    if webinar is None:
        raise ActionRefused(Code.NOT_FOUND, f"no webinar {webinar_id}")
    return webinar


def hold(webinar_id: int) -> Webinar:
    """Return the webinar, which cannot be changed until the transaction ends. Raises ActionRefused.

    Any number of transactions may hold it at a time.
    """
    _advisory_lock("pg_advisory_xact_lock_shared", webinar_id)
    rows = _BY_ID.rows(webinar_id=webinar_id)
    if not rows:
        raise ActionRefused(Code.NOT_FOUND, f"no webinar {webinar_id}")
    return object_from(Webinar, rows[0])


def _advisory_lock(function: str, webinar_id: int) -> None:
    # Not FOR SHARE on the row, because a series of readers would overtake a speaker who waits to change it. For
    # advisory locks PostgreSQL has a queue. SQLite has one writer.
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {function}(hashtextextended(%s, 0))", [f"efir.webinar.{webinar_id}"])
