"""A compiled query finds what the query that it was made from finds, with other values at each run."""

from __future__ import annotations

from threading import Thread

import pytest
from django.db import connection
from django.db.models import Exists, OuterRef

from efir.accounts.models import Person
from efir.lib.compiled_query import CompiledQuery, Parameter, columns_of, object_from
from efir.webinars import core
from efir.webinars.models import Seat

pytestmark = pytest.mark.django_db


def test_parameters_take_their_values(make_person):
    first, second = make_person(), make_person()
    query = CompiledQuery(
        lambda: Person.objects.filter(login=Parameter("login", Person, "login")).values_list("pk", "name")
    )
    assert query.rows(login=first.login) == [(first.pk, first.name)]
    assert query.rows(login=second.login) == [(second.pk, second.name)]
    assert query.rows(login="nobody@example.ru") == []


def test_moments_and_booleans_are_pythons(make_person):
    person = make_person()
    since = Parameter("since", Person, "created_at")
    query = CompiledQuery(
        lambda: Person.objects.filter(created_at__gte=since).values_list("created_at", "is_active")
    )
    person.refresh_from_db()
    assert query.rows(since=person.created_at) == [(person.created_at, True)]


def test_objects_are_whole(make_person):
    person = make_person()
    person.refresh_from_db()
    query = CompiledQuery(lambda: Person.objects.values_list(*columns_of(Person)))
    found = object_from(Person, query.rows()[0])
    assert found == person
    assert not found.get_deferred_fields()
    found.name = "Другое имя"
    found.save()
    assert Person.objects.get().name == "Другое имя"


def test_parameter_in_a_subquery(make_person, make_webinar):
    seated, _ = make_person(), make_person()
    first, second = make_webinar(), make_webinar()
    core.book_seat(first.pk, seated)
    of_webinar = Seat.objects.filter(
        person=OuterRef("pk"), webinar_id=Parameter("webinar_id", Seat, "webinar")
    )
    query = CompiledQuery(lambda: Person.objects.filter(Exists(of_webinar)).values_list("pk"))
    assert query.rows(webinar_id=first.pk) == [(seated.pk,)]
    assert query.rows(webinar_id=second.pk) == []


@pytest.mark.django_db(transaction=True)
def test_query_made_in_a_thread_that_ended(make_person):
    person = make_person()
    query = CompiledQuery(lambda: Person.objects.values_list("created_at"))

    def run() -> None:
        query.rows()
        connection.close()

    thread = Thread(target=run)
    thread.start()
    thread.join()
    person.refresh_from_db()
    assert query.rows() == [(person.created_at,)]
