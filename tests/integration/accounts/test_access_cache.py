"""Who comes with a session: one joined read, kept in memory, dropped when it changes."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import connections
from django.test import Client

from efir.accounts import access_cache as access_module
from efir.accounts.access_cache import AccessCache, read_access
from efir.accounts.access_changes import changed_since
from efir.accounts.capabilities import Capability, Role, people_who_can
from efir.accounts.models import AccessChange, Membership, Session
from efir.accounts.roles import LastAdmin, assign_role
from efir.lib.concurrency import in_thread
from tests.conftest import PASSWORD

LEAD = {"enter_room", "is_lead"}


@pytest.fixture
def logged_in(make_person):
    """Somebody with a session: the person and its key."""

    def log_in(role=Role.CANDIDATE, **fields):
        client = Client()
        client.person = make_person(role, **fields)
        client.force_login(client.person)
        client.key = client.session.session_key
        return client

    return log_in


def access_of(client):
    return read_access([client.key]).get(client.key)


@pytest.mark.django_db
class TestRead:
    def test_is_one_for_many(self, logged_in, django_assert_num_queries):
        visitors = [logged_in(), logged_in(Role.SPEAKER)]
        with django_assert_num_queries(1):
            found = read_access([visitor.key for visitor in visitors] + ["nobody"])
        assert [found[visitor.key].person_id for visitor in visitors] == [v.person.pk for v in visitors]
        assert found[visitors[0].key].capabilities == LEAD
        assert "manage_status" in found[visitors[1].key].capabilities
        assert len(found) == 2

    def test_says_whether_somebody_invited_them(self, logged_in, make_person):
        assert access_of(logged_in(invited_by=make_person(Role.PARTNER))).invited
        assert not access_of(logged_in()).invited

    def test_a_session_without_a_person_counts_for_nobody(self, client):
        session = client.session
        session["something"] = 1
        session.save()
        assert read_access([session.session_key]) == {}

    def test_a_session_that_has_run_out_counts_for_nobody(self, logged_in, clock):
        visitor = logged_in()
        Session.objects.update(expire_date=clock.moment - timedelta(seconds=1))
        assert access_of(visitor) is None

    def test_a_closed_account_has_none(self, logged_in):
        visitor = logged_in()
        visitor.person.is_active = False
        visitor.person.save()
        assert access_of(visitor) is None

    def test_a_new_password_ends_the_sessions_made_before(self, logged_in):
        visitor = logged_in()
        visitor.person.set_password(PASSWORD)
        visitor.person.save()
        assert access_of(visitor) is None

    def test_somebody_without_a_role_may_nothing(self, logged_in):
        visitor = logged_in()
        visitor.person.membership.delete()
        assert access_of(visitor).capabilities == set()


@pytest.mark.django_db
class TestNews:
    @pytest.fixture
    def visitor(self, logged_in):
        visitor = logged_in()
        AccessChange.objects.all().delete()
        return visitor

    def test_a_new_role_is_news(self, visitor, clock):
        assign_role(visitor.person, Role.PARTNER)
        assert changed_since(clock.moment) == {visitor.person.pk}

    def test_a_role_taken_away_is_news(self, visitor, clock):
        Membership.objects.filter(person=visitor.person).delete()
        assert changed_since(clock.moment) == {visitor.person.pk}

    def test_a_capability_taken_from_the_role_is_news_for_all_who_have_it(self, visitor, clock, make_person):
        make_person(Role.PARTNER)
        group = Group.objects.get(name=Role.CANDIDATE)
        group.permissions.remove(group.permissions.get(codename="enter_room"))
        assert changed_since(clock.moment) == {visitor.person.pk}

    def test_a_log_out_is_news(self, visitor, clock):
        visitor.post("/logout/")
        assert changed_since(clock.moment) == {visitor.person.pk}

    def test_a_new_name_is_none(self, visitor, clock):
        visitor.person.save(update_fields=["name"])
        assert changed_since(clock.moment) == set()

    def test_news_from_before_is_heard_of_for_a_while(self, visitor, clock):
        assign_role(visitor.person, Role.PARTNER)
        clock.move(59)
        assert changed_since(clock.moment) == {visitor.person.pk}
        clock.move(2)
        assert changed_since(clock.moment) == set()

    def test_a_person_can_still_be_deleted_with_their_role(self, visitor):
        visitor.person.delete()
        assert not AccessChange.objects.exists()


@pytest.mark.django_db(transaction=True)
class TestKept:
    @pytest.fixture
    def reads(self, monkeypatch):
        """The keys that each read asked for."""
        asked: list[list[str]] = []

        def read(keys):
            asked.append(list(keys))
            return read_access(keys)

        monkeypatch.setattr(access_module, "read_access", read)
        return asked

    def test_it_is_read_once_until_it_is_dropped(self, logged_in, reads):
        visitor = logged_in()

        async def scenario():
            accesses = AccessCache()
            for _ in range(3):
                assert await accesses.get(visitor.key)
            accesses.invalidate([visitor.person.pk])
            return await accesses.get(visitor.key)

        assert asyncio.run(scenario()).capabilities == LEAD
        assert reads == [[visitor.key], [visitor.key]]

    def test_those_who_come_together_are_read_together(self, logged_in, reads):
        keys = [logged_in().key for _ in range(20)]

        async def scenario():
            accesses = AccessCache()
            return await asyncio.gather(*map(accesses.get, keys * 2))

        assert None not in asyncio.run(scenario())
        assert sum(map(len, reads)) == 20
        assert len(reads) <= 2

    def test_what_changed_while_it_was_read_is_not_kept(self, logged_in, monkeypatch):
        visitor = logged_in()
        has_read, may_answer = threading.Event(), threading.Event()

        def slow_read(keys):
            found = read_access(keys)
            has_read.set()
            may_answer.wait(30)
            return found

        async def scenario():
            accesses = AccessCache()
            monkeypatch.setattr(access_module, "read_access", slow_read)
            early = asyncio.create_task(accesses.get(visitor.key))
            await asyncio.to_thread(has_read.wait, 30)
            await in_thread(Membership.objects.filter(person=visitor.person).delete)
            accesses.invalidate([visitor.person.pk])
            may_answer.set()
            await early
            return await accesses.get(visitor.key)

        assert asyncio.run(scenario()).capabilities == set()

    def test_no_more_than_so_many_are_kept(self, logged_in, reads, monkeypatch):
        monkeypatch.setattr(access_module, "MAX_ENTRIES", 2)
        keys = [logged_in().key for _ in range(3)]

        async def scenario():
            accesses = AccessCache()
            for key in [*keys, *keys[1:], keys[0]]:
                await accesses.get(key)

        asyncio.run(scenario())
        assert reads == [[key] for key in [*keys, keys[0]]]

    def test_a_failed_read_is_told_to_whoever_waits_and_tried_again_for_the_next(
        self, logged_in, monkeypatch
    ):
        visitor = logged_in()

        def broken(keys):
            raise ConnectionError

        async def scenario():
            accesses = AccessCache()
            with monkeypatch.context() as patch:
                patch.setattr(access_module, "read_access", broken)
                with pytest.raises(ConnectionError):
                    await accesses.get(visitor.key)
            return await accesses.get(visitor.key)

        assert asyncio.run(scenario()).person_id == visitor.person.pk


@pytest.mark.django_db
def test_the_last_admin_keeps_the_role(make_person):
    first, second = make_person(Role.ADMIN), make_person(Role.ADMIN)
    assign_role(first, Role.SPEAKER)
    with pytest.raises(LastAdmin):
        assign_role(second, Role.SPEAKER)
    assert set(people_who_can(Capability.ASSIGN_ROLES)) == {second}


@pytest.mark.django_db(transaction=True)
def test_two_admins_who_demote_each_other_leave_one(make_person):
    admins = [make_person(Role.ADMIN), make_person(Role.ADMIN)]
    both_came = threading.Barrier(2)

    def demote(actor, other):
        client = Client()
        client.force_login(actor)
        both_came.wait(30)
        try:
            return client.post(f"/account/people/{other.pk}/role", {"role": "speaker"}).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(demote, *pair) for pair in (admins, admins[::-1])]
        statuses = sorted(answer.result() for answer in answers)
    # Whoever comes second is the last by then, or has lost the capability before the request began.
    assert statuses[0] == 200
    assert statuses[1] in {403, 409}
    assert people_who_can(Capability.ASSIGN_ROLES).count() == 1
