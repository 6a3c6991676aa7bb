"""Everybody's pages, in every state: no mistakes in any language, width or light.

The groups are files of their own, so that they run side by side.
"""

from __future__ import annotations

from tests.support.page_checks import check, in_group


@in_group("people")
def test_nothing_is_wrong_with_the_page(contexts, state, language):
    check(contexts, state, language)
