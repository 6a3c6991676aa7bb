"""What every connection to PostgreSQL is set to."""

from __future__ import annotations

import pytest
from django.db import connection


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite compiles nothing")
@pytest.mark.parametrize(("name", "value"), [("jit", "off"), ("idle_in_transaction_session_timeout", "15s")])
def test_connection_is_set(name, value):
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {name}")
        assert cursor.fetchone() == (value,)
