"""Writers of one process take turns on SQLite, whether they write in a transaction or a statement."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import OperationalError, connection, transaction

from efir.accounts.models import Person
from efir.lib.sqlite import base
from efir.lib.sqlite.write_queue import WriteQueue
from efir.ops.backup.backup import backup
from efir.ops.backup.restore import check

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'sqlite'", reason="PostgreSQL has many writers"),
]


def in_a_block(name):
    with transaction.atomic():
        Person.objects.update(name=name)


def by_itself(name):
    Person.objects.update(name=name)


@pytest.mark.parametrize("write", [in_a_block, by_itself])
def test_waiting_writer_is_served_before_the_next_transaction(make_person, write):
    make_person()
    order = []

    def wait_and_write():
        write("waited")
        order.append("waited")
        connection.close()

    thread = threading.Thread(target=wait_and_write)
    with transaction.atomic():
        Person.objects.update(name="first")
        thread.start()
        while not connection.writers._waiting:
            time.sleep(0.001)
    with transaction.atomic():
        order.append("again")
    thread.join()
    assert order == ["waited", "again"]
    assert Person.objects.get().name == "waited"


def test_readers_do_not_queue(make_person):
    make_person(name="Анна")
    names = []

    def read():
        names.append(Person.objects.get().name)
        connection.close()

    thread = threading.Thread(target=read)
    with transaction.atomic():
        Person.objects.update(name="Другая")
        thread.start()
        thread.join()
    assert names == ["Анна"]


@pytest.mark.parametrize("ending", ["commit", "rollback", "failed begin", "failed commit", "closed"])
def test_turn_ends_with_the_transaction(make_person, ending, monkeypatch):
    make_person()

    def fail(*_):
        raise OperationalError("disk I/O error")

    try:
        with monkeypatch.context() as patch:
            if ending == "failed begin":
                patch.setattr(base.base.DatabaseWrapper, "_start_transaction_under_autocommit", fail)
            if ending == "failed commit":
                patch.setattr(base.base.DatabaseWrapper, "_commit", fail)
            with transaction.atomic():
                Person.objects.update(name="first")
                if ending == "rollback":
                    raise RuntimeError
                if ending == "closed":
                    connection.close()
    except (RuntimeError, OperationalError):
        pass
    connection.close()
    assert connection.writers.enter(0.01)
    connection.writers.leave()


def test_writer_goes_on_without_a_turn(make_person, monkeypatch):
    """A turn that never ends, in a thread that hangs, must not stop the others for longer than SQLite itself would."""
    monkeypatch.setattr(base, "WAIT_S", 0.01)
    make_person()
    connection.writers.enter(0.01)
    try:
        in_a_block("without")
        by_itself("either")
    finally:
        connection.writers.leave()
    assert Person.objects.get().name == "either"


@pytest.mark.slow
def test_check_of_a_backup_does_not_wait_for_the_database_in_use(make_person, tmp_path, monkeypatch):
    make_person()
    backup(tmp_path / "efir.zip")
    monkeypatch.setattr(base, "WAIT_S", 0.01)
    turns, enter = [], WriteQueue.enter
    monkeypatch.setattr(WriteQueue, "enter", lambda *args: turns.append(enter(*args)) or turns[-1])
    with transaction.atomic():
        Person.objects.update(name="changed meanwhile")
        check(tmp_path / "efir.zip")
    assert all(turns)
    assert turns
