"""The form token that the edge writes into cached pages is one that Django accepts."""

from __future__ import annotations

from django.middleware.csrf import CSRF_ALLOWED_CHARS, _does_token_match, _unmask_cipher_token

from efir.edge.form_token import mask

SECRET = "aZ09" * 8


def test_masked_secret_is_accepted_by_django():
    tokens = {mask(SECRET).decode() for _ in range(200)}
    assert len(tokens) == 200
    assert {_unmask_cipher_token(token) for token in tokens} == {SECRET}
    assert all(_does_token_match(token, SECRET) for token in tokens)
    assert set().union(*tokens) == set(CSRF_ALLOWED_CHARS)
