"""Requests at the same time: one link sets one password, and a demotion holds for what is in progress."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connections, transaction
from django.test import Client

from efir.accounts.capabilities import Role
from efir.accounts.erasure import erase
from efir.accounts.models import Person
from efir.accounts.password_reset import one_time_link
from efir.accounts.roles import LastAdmin, assign_role
from efir.accounts.services import close_account, create_person
from efir.audit.models import AuditEntry
from efir.hooks.actions import ActionRefused, Context, Source
from efir.ops.cli.people import close_person
from efir.webinars import core
from efir.webinars.models import Webinar
from tests.conftest import PASSWORD, PLAYER, SYSTEM, logged_in

TOGETHER = 3


def in_own_connection(action: Callable[..., Any]) -> Callable[..., Any]:
    """Close the thread's connection when it is done."""

    def run(*args: Any) -> Any:
        try:
            return action(*args)
        finally:
            connections.close_all()

    return run


@pytest.mark.django_db(transaction=True)
class TestPasswordLink:
    def test_link_used_at_the_same_moment_sets_one_password(self, make_person, monkeypatch):
        person = make_person(password=PASSWORD)
        path = "/account/reset/" + one_time_link(person).partition("/account/reset/")[2]
        all_checked = Barrier(TOGETHER)
        hash_password = Person.set_password

        def wait_and_hash(self: Person, raw: str | None) -> None:
            all_checked.wait(60)  # each has found the link valid by now
            hash_password(self, raw)

        def use(number: int) -> int:
            new = {"new_password1": f"sovsem-novyj-{number}", "new_password2": f"sovsem-novyj-{number}"}
            return Client().post(path, new).status_code

        with monkeypatch.context() as patch, ThreadPoolExecutor(TOGETHER) as pool:
            patch.setattr(Person, "set_password", wait_and_hash)
            answers = list(pool.map(in_own_connection(use), range(TOGETHER)))
        assert sorted(answers) == [302, 404, 404]
        person.refresh_from_db()
        (winner,) = [n for n in range(TOGETHER) if person.check_password(f"sovsem-novyj-{n}")]
        assert answers[winner] == 302
        assert AuditEntry.objects.filter(action="password_reset").count() == 1

    def test_old_password_changed_at_the_same_moment_is_changed_once(self, make_person, monkeypatch):
        person = make_person(password=PASSWORD)
        clients = [Client() for _ in range(TOGETHER)]
        for client in clients:
            client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
        all_checked = Barrier(TOGETHER)
        hash_password = Person.set_password

        def wait_and_hash(self: Person, raw: str | None) -> None:
            all_checked.wait(60)
            hash_password(self, raw)

        def change(client: Client) -> int:
            new = {
                "old_password": PASSWORD,
                "new_password1": "sovsem-novyj-7",
                "new_password2": "sovsem-novyj-7",
            }
            return client.post("/account/password/", new).status_code

        with monkeypatch.context() as patch, ThreadPoolExecutor(TOGETHER) as pool:
            patch.setattr(Person, "set_password", wait_and_hash)
            answers = list(pool.map(in_own_connection(change), clients))
        assert sorted(answers) == [200, 200, 302]


@contextmanager
def demoted_meanwhile(person: Person, action: Callable[[], Any]):
    """Begin `action` while a demotion of `person` is written but not committed; give its future after the commit."""
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            assign_role(person, Role.CANDIDATE)
            future: Future[Any] = pool.submit(in_own_connection(action))
            with pytest.raises(TimeoutError):  # it waits for the demotion
                future.result(0.5)
        yield future


@pytest.mark.django_db(transaction=True)
class TestDemotionInFlight:
    def test_webinar_stays_as_it_is(self, make_person, make_webinar):
        speaker, webinar = make_person(Role.SPEAKER), make_webinar()
        context = Context(speaker.pk, Source.WEB)

        def start() -> None:
            core.core_webinar_set_status(webinar.pk, "start", context)

        with demoted_meanwhile(speaker, start) as future, pytest.raises(ActionRefused):
            future.result(60)
        assert Webinar.objects.get().status == "scheduled"

    def test_no_draft_is_created(self, make_person):
        speaker = make_person(Role.SPEAKER)
        context = Context(speaker.pk, Source.WEB)

        def create() -> None:
            core.create({"title": "Эфир", "player_url": PLAYER}, context)

        with demoted_meanwhile(speaker, create) as future, pytest.raises(ActionRefused):
            future.result(60)
        assert not Webinar.objects.exists()

    def test_no_role_is_assigned(self, make_person):
        admin, other = make_person(Role.ADMIN), make_person()
        make_person(Role.ADMIN)

        def promote() -> None:
            assign_role(other, Role.ADMIN, Context(admin.pk, Source.WEB))

        with demoted_meanwhile(admin, promote) as future, pytest.raises(PermissionDenied):
            future.result(60)
        assert Person.objects.get(pk=other.pk).role == "candidate"


@pytest.mark.django_db
class TestDemotedBefore:
    """The check of the view has passed, and the role is taken away before the write."""

    @pytest.fixture
    def demoted(self, make_person):
        make_person(Role.ADMIN)
        admin = make_person(Role.ADMIN)
        assign_role(admin, Role.CANDIDATE)
        return Context(admin.pk, Source.WEB)

    def test_demoted_admin_cannot_add_people(self, demoted):
        with pytest.raises(PermissionDenied):
            create_person(login="x@example.ru", name="X", role=Role.ADMIN, password=None, context=demoted)
        assert not Person.objects.filter(login="x@example.ru").exists()

    def test_no_password_link_is_made(self, make_person, monkeypatch):
        make_person(Role.ADMIN)
        admin, other = make_person(Role.ADMIN), make_person()
        client = logged_in(admin)

        def found_and_demoted(*args, **kwargs):
            assign_role(admin, Role.CANDIDATE)
            return other

        monkeypatch.setattr("efir.accounts.views.people.get_object_or_404", found_and_demoted)
        answer = client.post(f"/account/people/{other.pk}/password_reset")
        assert answer.status_code == 403
        assert not AuditEntry.objects.filter(action="password_link_made").exists()


@pytest.mark.django_db
class TestLastAdmin:
    @pytest.mark.parametrize(
        "remove",
        [
            lambda admin: assign_role(admin, Role.PARTNER),
            lambda admin: erase(admin.pk, SYSTEM),
            lambda admin: close_account(admin, SYSTEM),
        ],
        ids=["role", "erase", "close"],
    )
    def test_last_admin_stays(self, make_person, remove):
        admin = make_person(Role.ADMIN)
        with pytest.raises(LastAdmin):
            remove(admin)
        admin.refresh_from_db()
        assert (admin.is_active, admin.role) == (True, "admin")

    def test_command_line_says_why(self, make_person, capsys):
        admin = make_person(Role.ADMIN, login="admin@example.ru")
        assert close_person(Namespace(login=admin.login)) != 0
        assert "last_admin" in capsys.readouterr().err
        assert Person.objects.get().is_active

    def test_one_of_two_admins_can_be_closed(self, make_person):
        make_person(Role.ADMIN)
        close_account(admin := make_person(Role.ADMIN), SYSTEM)
        assert not admin.is_active
