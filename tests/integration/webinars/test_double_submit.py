"""Two presses of a button that creates a draft make one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connections
from django.test import Client

from efir.accounts.capabilities import Role
from efir.audit.models import AuditEntry
from efir.webinars.core import PRESSED_TWICE
from efir.webinars.models import Webinar
from tests.conftest import logged_in

FORM = {"title": "Эфир", "time_zone": "Europe/Moscow", "length_min": "60"}


def press(speaker, address: str, fields: dict[str, str]) -> str:
    client = logged_in(speaker)
    return str(client.post(address, fields, headers={"Accept": "text/html"})["Location"])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("button", ["create", "copy"])
def test_two_presses_make_one_draft(make_person, make_webinar, button):
    speaker, source = make_person(Role.SPEAKER), make_webinar()
    address = "/admin_webinar/new/" if button == "create" else f"/admin_webinar/{source.pk}/copy"
    clients = [Client(), Client()]
    for client in clients:
        client.force_login(speaker)
    together = Barrier(2)

    def press_together(client: Client) -> str:
        together.wait(10)
        try:
            return str(client.post(address, FORM, headers={"Accept": "text/html"})["Location"])
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(press_together, clients)
    assert first == second
    (made,) = Webinar.objects.exclude(pk=source.pk)
    assert AuditEntry.objects.filter(webinar_id=made.pk).count() == 1


@pytest.mark.django_db
def test_a_later_press_makes_another(make_person, clock):
    speaker = make_person(Role.SPEAKER)
    press(speaker, "/admin_webinar/new/", FORM)
    clock.move(PRESSED_TWICE.total_seconds() + 1)
    press(speaker, "/admin_webinar/new/", FORM)
    assert Webinar.objects.count() == 2


@pytest.mark.django_db
def test_another_person_or_another_field_makes_another(make_person, clock):
    for speaker in (make_person(Role.SPEAKER), make_person(Role.SPEAKER)):
        press(speaker, "/admin_webinar/new/", FORM)
        press(speaker, "/admin_webinar/new/", FORM | {"description": "Другой"})
        press(speaker, "/admin_webinar/new/", FORM)
    assert Webinar.objects.count() == 4
