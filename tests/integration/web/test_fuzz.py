"""Random headers and queries never cause a server error."""

from __future__ import annotations

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NAMES = ["accept-language", "cookie", "host", "x-forwarded-for", "if-none-match", "accept", "range"]
ADDRESSES = ["/webinars/", "/login/", "/signup/", "/api/openapi.json", "/webinars/calendar.ics"]
SAID = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=80)


@pytest.mark.django_db
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(ADDRESSES),
    st.dictionaries(st.sampled_from(NAMES), SAID, max_size=3),
    st.dictionaries(st.sampled_from(["ref", "page", "webinar", "next", "lang"]), st.text(max_size=30)),
)
def test_any_headers_and_query_are_answered(address, headers, query):
    assert Client().get(address, query, headers=headers).status_code < 500
