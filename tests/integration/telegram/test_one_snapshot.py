"""A message is composed from one snapshot, whatever is committed while it is claimed and composed."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest
from django.db import connection

from efir.telegram.bot import lease
from efir.telegram.bot.outcomes import NotSent
from efir.telegram.models import OutboxMessage
from efir.telegram.outbox import claims
from efir.telegram.outbox.completion import complete
from efir.telegram.outbox.message_types import IncompleteMessage, OutgoingMessage
from efir.webinars import core
from efir.webinars.models import Webinar
from tests.conftest import SYSTEM
from tests.support.telegram import classified, held, linked, states_of, with_bot
from tests.tiers import on_postgresql

pytestmark = pytest.mark.django_db(transaction=True)

FIRST, SECOND = "https://video.example.org/1", "https://video.example.org/2"
# More than a claim and its composing need.
MANY_QUERIES = 60


@pytest.fixture
def lead(settings, make_person):
    with_bot(settings)
    lead = make_person()
    linked(lead)
    return lead


def elsewhere(work):
    """Do the work in a thread, and so with a database connection of its own."""

    def call():
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()


@contextmanager
def before_query(number, work):
    """Do the work elsewhere before the query of this number. Yield the list of the queries so far."""
    queries = []

    def wrapper(execute, sql, params, many, context):
        queries.append(sql)
        if len(queries) == number:
            elsewhere(work)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        yield queries


def addresses_of(messages, composed):
    """Return the addresses of the recording in a call, and how many of its messages are the recording."""
    urls = [address for _, address in composed.buttons if "/account/" not in address]
    return urls, sum(message.kind == "candidate_recording" for message in messages)


if on_postgresql():  # SQLite has one writer, and a claim is one

    @pytest.mark.parametrize("published_before", [False, True])
    def test_publication_between_two_queries(make_webinar, lead, published_before):
        holder, number, latest = held(), 0, SECOND if published_before else FIRST
        reached_the_end = False
        while not reached_the_end:
            number += 1
            assert lease.acquire(holder)  # on a slow machine it would run out
            assert number < MANY_QUERIES
            webinar = make_webinar("finished")
            if published_before:
                core.publish_recording(webinar.pk, FIRST, SYSTEM)
            classified(webinar, [lead], "no_show")
            with before_query(
                number, lambda webinar=webinar: core.publish_recording(webinar.pk, latest, SYSTEM)
            ) as queries:
                (claim,) = claims.claim(10, holder)
                claimed_after = len(queries)
                composed = claim.compose()
            urls, recordings = addresses_of(claim.messages, composed)
            assert len(urls) == recordings, f"before query {number}: {queries[number - 1]}"
            if number <= claimed_after:
                assert set(urls) <= {latest}, "an address that was changed before the message was composed"
            reached_the_end = len(queries) < number
            OutboxMessage.objects.update(state="sent")


def test_button_without_an_address_is_held_back(make_webinar, lead):
    webinar, holder = make_webinar("finished"), held()
    core.publish_recording(webinar.pk, FIRST, SYSTEM)
    classified(webinar, [lead], "no_show")
    (claim,) = claims.claim(10, holder)
    Webinar.objects.filter(pk=webinar.pk).update(recording_url="")
    with pytest.raises(IncompleteMessage) as raised:
        claim.compose()
    complete(claim, NotSent(f"held back: {raised.value}"))
    assert set(OutboxMessage.objects.values_list("state", "text")) == {("queued", "")}
    OutboxMessage.objects.update(due_at=webinar.starts_at.replace(year=2000))
    (claim,) = claims.claim(10, holder)
    assert addresses_of(claim.messages, claim.compose()) == ([], 0)
    complete(claim, NotSent("x"))
    claims.claim(10, holder)
    assert states_of(lead)["candidate_recording"] in {"queued", "waiting_recording"}


@pytest.mark.parametrize(
    "message",
    [
        OutgoingMessage(""),
        OutgoingMessage(" \n"),
        OutgoingMessage("x", [("Запись", "")]),
        OutgoingMessage("x", [("Запись", "https://")]),
        OutgoingMessage("x", [("", "https://video.example.org/1")]),
        OutgoingMessage("x", [("Сайт", "https://efir.example.org/"), ("Запись", " ")]),
    ],
)
def test_incomplete_message_is_not_acceptable(message):
    with pytest.raises(IncompleteMessage):
        message.acceptable()
