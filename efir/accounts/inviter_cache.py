"""Cache the owners of referral codes, for pages that are answered before Django."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from efir.accounts.capabilities import Capability, people_who_can
from efir.lib import clock
from efir.lib.batch_cache import BatchCache

# Changes of access invalidate entries at once; a new partner's code was not cached before, so this age is enough.
MAX_AGE = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class CodeOwner:
    """The owner of a referral code; `person_id` is None if the code is not valid. `until`: the entry expires then."""

    person_id: int | None
    name: str
    until: datetime


def read_owners(codes: Iterable[str]) -> dict[str, CodeOwner]:
    """Read the owners of these codes with one query."""
    until = clock.now() + MAX_AGE
    partners = people_who_can(Capability.SEE_OWN_CANDIDATES).filter(ref_code__in=codes)
    found = {
        code: CodeOwner(pk, name, until) for pk, name, code in partners.values_list("pk", "name", "ref_code")
    }
    return {code: found.get(code, CodeOwner(None, "", until)) for code in codes}


class InviterCache:
    """The codes that this process was asked for. Its methods run on the event loop."""

    def __init__(self) -> None:
        self._cache: BatchCache[str, CodeOwner] = BatchCache(read_owners)

    async def get(self, code: str) -> CodeOwner | None:
        """Return the owner of a valid code, else None. Raises the database's errors."""
        owner = await self._cache.get(code) if code else None
        return owner if owner and owner.person_id is not None else None

    def invalidate(self, person_ids: Iterable[int]) -> None:
        """Drop the codes of these people, and all invalid codes: one of these people may have got such a code."""
        changed = {None, *person_ids}
        self._cache.forget_all(lambda _, owner: owner.person_id in changed)
