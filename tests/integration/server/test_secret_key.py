"""The fingerprint of the secret key: written at the first start, compared at every other, changed by a rotation."""

from __future__ import annotations

import threading
from argparse import Namespace
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connections

from efir.accounts import second_factor
from efir.accounts.models import SecondFactor, Session
from efir.config import ConfigError
from efir.lib import clock
from efir.ops.cli.server import rotate_key
from efir.room.models import Recorder
from efir.server import secret_key
from efir.server.models import SecretKeyFingerprint

pytestmark = pytest.mark.django_db
FIRST, SECOND = "k" * 64, "l" * 64


@pytest.fixture
def key(settings, tmp_path, monkeypatch):
    """Return a function that puts a key in force: in the data directory, or with `variable` in the environment."""

    def put(key: str, variable: str = "") -> None:
        if variable:
            monkeypatch.setenv(variable, key)
        settings.EFIR = replace(settings.EFIR, data_dir=tmp_path, secret_key=key)

    for name in ("EFIR_SECRET_KEY", "EFIR_SECRET_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    put(FIRST)
    return put


def session() -> None:
    Session.objects.create(session_key="s", session_data="", expire_date=clock.now() + timedelta(days=1))


def test_first_start_writes_a_fingerprint_that_hides_the_key(key):
    secret_key.confirm()
    secret_key.confirm()
    (row,) = SecretKeyFingerprint.objects.all()
    assert FIRST not in row.fingerprint
    assert len(row.fingerprint) == 64


def test_start_with_another_key_is_refused(key):
    secret_key.confirm()
    key(SECOND)
    with pytest.raises(ConfigError, match=r"not the installation's.*EFIR_SECRET_KEY.*rotate-key"):
        secret_key.confirm()
    key(FIRST)
    secret_key.confirm()


@pytest.mark.django_db(transaction=True)
def test_parallel_first_starts_agree(key):
    refused: list[ConfigError] = []
    together = threading.Barrier(4)

    def start() -> None:
        together.wait()
        try:
            secret_key.confirm()
        except ConfigError as exc:
            refused.append(exc)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=start) for _ in range(together.parties)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == []
    assert SecretKeyFingerprint.objects.count() == 1


def test_rotation_makes_a_key_and_ends_sessions(key, tmp_path):
    secret_key.confirm()
    session()
    assert secret_key.rotate().sessions == 1
    new = (tmp_path / "secret.key").read_text()
    assert new != FIRST
    assert not Session.objects.exists()
    with pytest.raises(ConfigError):
        secret_key.confirm()
    key(new)
    secret_key.confirm()
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600


def test_rotation_adopts_the_key_of_the_environment(key, tmp_path):
    key(FIRST, variable="EFIR_SECRET_KEY")
    secret_key.confirm()
    with pytest.raises(ConfigError, match="still gives the key that is in force"):
        secret_key.rotate()
    key(SECOND, variable="EFIR_SECRET_KEY")
    secret_key.rotate()
    secret_key.confirm()
    assert not (tmp_path / "secret.key").exists()


@pytest.mark.parametrize("ended", [False, True])
def test_rotation_waits_for_running_processes(key, ended):
    secret_key.confirm()
    now = clock.now()
    Recorder.objects.create(id=uuid4(), started_at=now, pulsed_at=now, closed_at=now if ended else None)
    if ended:
        secret_key.rotate()
    else:
        with pytest.raises(ConfigError, match="stop all of them"):
            secret_key.rotate()


class TestSecondFactors:
    """Their secrets are sealed with the key, and sealed again with the next one."""

    @pytest.fixture
    def factor(self, make_person):
        person = make_person()
        sealed = second_factor.seal_secret("A" * 32, person, key=FIRST)
        return SecondFactor.objects.create(person=person, sealed_secret=sealed, last_step=0)

    def opens(self, factor, key):
        factor.refresh_from_db()
        return second_factor.unseal_secret(factor.sealed_secret, factor.person, key=key) == "A" * 32

    def test_rotation_keeps_them(self, key, factor, tmp_path):
        secret_key.confirm()
        assert secret_key.rotate().second_factors_lost == 0
        assert self.opens(factor, (tmp_path / "secret.key").read_text())

    def test_key_of_the_environment_needs_the_old_one(self, key, factor):
        secret_key.confirm()
        key(SECOND, "EFIR_SECRET_KEY")
        with pytest.raises(ConfigError, match="old key"):
            secret_key.rotate("m" * 64)
        assert secret_key.rotate(FIRST).second_factors_lost == 0
        assert self.opens(factor, SECOND)

    def test_rotation_without_the_old_key_says_how_many_are_lost(self, key, factor):
        secret_key.confirm()
        key(SECOND, "EFIR_SECRET_KEY")
        assert secret_key.rotate().second_factors_lost == 1
        assert not self.opens(factor, SECOND)

    def test_command_reads_the_old_key_from_a_file(self, key, factor, tmp_path, capsys):
        secret_key.confirm()
        key(SECOND, "EFIR_SECRET_KEY")
        (tmp_path / "old").write_text(FIRST + "\n")
        assert rotate_key(Namespace(old_key_file=tmp_path / "old")) == 0
        assert "recovery code" not in capsys.readouterr().out
        assert self.opens(factor, SECOND)

    def test_command_counts_people_who_need_a_recovery_code(self, key, factor, capsys):
        secret_key.confirm()
        key(SECOND, "EFIR_SECRET_KEY")
        assert rotate_key(Namespace(old_key_file=None)) == 0
        assert "need the old key: 1" in capsys.readouterr().out

    def test_command_refuses_a_file_that_is_not_there(self, key, tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            rotate_key(Namespace(old_key_file=tmp_path / "none"))
