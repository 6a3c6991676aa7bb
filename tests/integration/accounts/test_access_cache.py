"""The access cache: one query for many sessions, invalidated by changes of access."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import connections

from efir.accounts import access_cache as access_module
from efir.accounts.access_cache import AccessCache, read_access
from efir.accounts.access_changes import changed_since
from efir.accounts.capabilities import ROLES, Capability, Role, people_who_can
from efir.accounts.models import AccessChange, Membership, Session
from efir.accounts.roles import LastAdmin, assign_role
from efir.lib import batch_cache
from efir.lib.concurrency import in_thread
from tests.conftest import PASSWORD, logged_in

LEAD = ROLES[Role.CANDIDATE]


def access_of(client):
    return read_access([client.key]).get(client.key)


@pytest.mark.django_db
class TestRead:
    def test_read_access_needs_one_query(self, visitor, django_assert_num_queries):
        visitors = [visitor(), visitor(Role.SPEAKER)]
        with django_assert_num_queries(1):
            found = read_access([visitor.key for visitor in visitors] + ["nobody"])
        assert [found[visitor.key].person_id for visitor in visitors] == [v.person.pk for v in visitors]
        assert found[visitors[0].key].capabilities == LEAD
        assert "manage_status" in found[visitors[1].key].capabilities
        assert len(found) == 2

    def test_access_knows_whether_person_was_invited(self, visitor, make_person):
        assert access_of(visitor(invited_by=make_person(Role.PARTNER))).invited
        assert not access_of(visitor()).invited

    def test_session_without_person_has_no_access(self, client):
        session = client.session
        session["something"] = 1
        session.save()
        assert read_access([session.session_key]) == {}

    def test_expired_session_has_no_access(self, visitor, clock):
        visitor = visitor()
        Session.objects.update(expire_date=clock.moment - timedelta(seconds=1))
        assert access_of(visitor) is None

    def test_closed_account_has_no_access(self, visitor):
        visitor = visitor()
        visitor.person.is_active = False
        visitor.person.save()
        assert access_of(visitor) is None

    def test_new_password_ends_earlier_sessions(self, visitor):
        visitor = visitor()
        visitor.person.set_password(PASSWORD)
        visitor.person.save()
        assert access_of(visitor) is None

    def test_person_without_role_has_no_capabilities(self, visitor):
        visitor = visitor()
        visitor.person.membership.delete()
        assert access_of(visitor).capabilities == set()


@pytest.mark.django_db
class TestChanges:
    @pytest.fixture
    def visitor(self, visitor):
        visitor = visitor()
        AccessChange.objects.all().delete()
        return visitor

    def test_new_role_is_noted(self, visitor, clock):
        assign_role(visitor.person, Role.PARTNER)
        assert changed_since(clock.moment) == {visitor.person.pk}

    def test_deleted_role_is_noted(self, visitor, clock):
        Membership.objects.filter(person=visitor.person).delete()
        assert changed_since(clock.moment) == {visitor.person.pk}

    def test_removed_capability_is_noted_for_all_members(self, visitor, clock, make_person):
        make_person(Role.PARTNER)
        group = Group.objects.get(name=Role.CANDIDATE)
        group.permissions.remove(group.permissions.get(codename="enter_room"))
        assert changed_since(clock.moment) == {visitor.person.pk}

    def test_logout_is_noted(self, visitor, clock):
        visitor.post("/logout/")
        assert changed_since(clock.moment) == {visitor.person.pk}

    def test_new_name_is_not_noted(self, visitor, clock):
        visitor.person.save(update_fields=["name"])
        assert changed_since(clock.moment) == set()

    def test_changes_overlap_by_a_minute(self, visitor, clock):
        assign_role(visitor.person, Role.PARTNER)
        clock.move(59)
        assert changed_since(clock.moment) == {visitor.person.pk}
        clock.move(2)
        assert changed_since(clock.moment) == set()

    def test_person_with_role_can_be_deleted(self, visitor):
        visitor.person.delete()
        assert not AccessChange.objects.exists()


@pytest.mark.django_db(transaction=True)
class TestCache:
    @pytest.fixture
    def reads(self, monkeypatch):
        """Record the keys of each read."""
        batches: list[list[str]] = []

        def read(keys):
            batches.append(list(keys))
            return read_access(keys)

        monkeypatch.setattr(access_module, "read_access", read)
        return batches

    def test_entry_is_read_once_until_invalidated(self, visitor, reads):
        visitor = visitor()

        async def scenario():
            access_cache = AccessCache()
            for _ in range(3):
                assert await access_cache.get(visitor.key)
            access_cache.invalidate([visitor.person.pk])
            return await access_cache.get(visitor.key)

        assert asyncio.run(scenario()).capabilities == LEAD
        assert reads == [[visitor.key], [visitor.key]]

    def test_concurrent_requests_are_read_in_batches(self, visitor, reads):
        keys = [visitor().key for _ in range(20)]

        async def scenario():
            access_cache = AccessCache()
            return await asyncio.gather(*map(access_cache.get, keys * 2))

        assert None not in asyncio.run(scenario())
        assert sum(map(len, reads)) == 20
        assert len(reads) <= 2

    def test_change_during_read_is_not_cached(self, visitor, monkeypatch):
        visitor = visitor()
        has_read, may_return = threading.Event(), threading.Event()

        def slow_read(keys):
            found = read_access(keys)
            has_read.set()
            may_return.wait(30)
            return found

        async def scenario():
            access_cache = AccessCache()
            monkeypatch.setattr(access_module, "read_access", slow_read)
            early = asyncio.create_task(access_cache.get(visitor.key))
            await asyncio.to_thread(has_read.wait, 30)
            await in_thread(Membership.objects.filter(person=visitor.person).delete)
            access_cache.invalidate([visitor.person.pk])
            may_return.set()
            await early
            return await access_cache.get(visitor.key)

        assert asyncio.run(scenario()).capabilities == set()

    def test_oldest_entries_are_evicted(self, visitor, reads, monkeypatch):
        monkeypatch.setattr(batch_cache, "MAX_ENTRIES", 2)
        keys = [visitor().key for _ in range(3)]

        async def scenario():
            access_cache = AccessCache()
            for key in [*keys, *keys[1:], keys[0]]:
                await access_cache.get(key)

        asyncio.run(scenario())
        assert reads == [[key] for key in [*keys, keys[0]]]

    def test_failed_read_raises_and_is_retried(self, visitor, monkeypatch):
        visitor = visitor()

        def broken(keys):
            raise ConnectionError

        async def scenario():
            access_cache = AccessCache()
            with monkeypatch.context() as patch:
                patch.setattr(access_module, "read_access", broken)
                with pytest.raises(ConnectionError):
                    await access_cache.get(visitor.key)
            return await access_cache.get(visitor.key)

        assert asyncio.run(scenario()).person_id == visitor.person.pk


@pytest.mark.django_db
def test_last_admin_keeps_the_role(make_person):
    first, second = make_person(Role.ADMIN), make_person(Role.ADMIN)
    assign_role(first, Role.SPEAKER)
    with pytest.raises(LastAdmin):
        assign_role(second, Role.SPEAKER)
    assert set(people_who_can(Capability.ASSIGN_ROLES)) == {second}


@pytest.mark.django_db(transaction=True)
def test_admins_demoting_each_other_leave_one(make_person):
    admins = [make_person(Role.ADMIN), make_person(Role.ADMIN)]
    both_ready = threading.Barrier(2)

    def demote(actor, other):
        client = logged_in(actor)
        both_ready.wait(30)
        try:
            return client.post(f"/account/people/{other.pk}/role", {"role": "speaker"}).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(demote, *pair) for pair in (admins, admins[::-1])]
        statuses = sorted(answer.result() for answer in answers)
    # The second one is the last admin by then, or has lost the capability before the request began.
    assert statuses[0] == 200
    assert statuses[1] in {403, 409}
    assert people_who_can(Capability.ASSIGN_ROLES).count() == 1
