"""Rows inserted in bulk are those that Django would insert, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from efir.attendance.models import Participation, Verdict
from efir.hooks.models import JournalEntry
from efir.lib.bulk_insert import bulk_insert

pytestmark = pytest.mark.django_db


def verdict(webinar, lead, clock, number=0, **fields):
    """Return a verdict with a value of each type that columns have."""
    return Verdict(
        webinar=webinar,
        lead=lead,
        attended=(True, False, None)[number % 3],
        reason="stayed_to_end",
        intervals=[["2026-11-23T16:00:00Z", f"«{number}»"]],
        present_s=number / 3,
        opened_at=None if number % 2 else clock() + timedelta(microseconds=number),
        classified_at=clock(),
        **fields,
    )


def test_rows_are_read_as_they_were_given(make_webinar, make_person, clock):
    webinar = make_webinar()
    given = [verdict(webinar, make_person(), clock, number) for number in range(7)]
    bulk_insert(given)
    names = [field.attname for field in Verdict._meta.concrete_fields if not field.primary_key]
    assert [[getattr(row, name) for name in names] for row in Verdict.objects.order_by("pk")] == [
        [getattr(row, name) for name in names] for row in given
    ]


def test_nothing_is_inserted_for_no_rows(django_assert_num_queries):
    with django_assert_num_queries(0):
        bulk_insert([])


def test_more_rows_than_fit_into_one_statement(make_webinar, make_person):
    webinar, lead = make_webinar(), make_person()
    facts = [
        JournalEntry(
            event=f"e{number}", webinar_id=webinar.pk, lead_id=lead.pk, payload={}, **moments(webinar)
        )
        for number in range(1201)
    ]
    bulk_insert(facts)
    assert JournalEntry.objects.filter(event__startswith="e", lead_id=lead.pk).count() == 1201


def moments(webinar):
    return {"moment": webinar.created_at, "recorded_at": webinar.created_at, "batch": "0" * 32}


def test_conflict_fails_and_nothing_stays(make_webinar, make_person, clock):
    webinar, one, other = make_webinar(), make_person(), make_person()
    bulk_insert([verdict(webinar, one, clock)])
    with pytest.raises(IntegrityError), transaction.atomic():
        bulk_insert([verdict(webinar, other, clock), verdict(webinar, one, clock)])
    assert Verdict.objects.get().lead == one


def test_ignored_conflict_skips_that_row_alone(make_webinar, make_person):
    webinar, one, other = make_webinar(), make_person(), make_person()
    first = Participation.objects.create(webinar=webinar, person=one, is_lead=True)
    again = [Participation(webinar=webinar, person=each, is_lead=False) for each in (one, other)]
    bulk_insert(again, ignore_conflicts=True)
    found = Participation.objects.order_by("pk").values_list("session_id", "is_lead")
    assert list(found) == [(first.session_id, True), (again[1].session_id, False)]
