"""Personal addresses of recordings: each message has its recipient's own, which ends with their account.

A personal token is written and read without a row, because a message is composed in a transaction that cannot write.
It is the webinar's and the person's id, sealed (`efir.lib.sealing`): always the same for the same person, and nobody
else can read, change or make one. Its keys come from the secret key, so that `efir rotate-key` ends all of them.
"""

from __future__ import annotations

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error

from efir.accounts.models import Person
from efir.broadcast import recordings
from efir.broadcast.models import Recording, RecordingState
from efir.lib import sealing
from efir.webinars.absolute_urls import absolute_url
from efir.webinars.models import Webinar

# The tokens in addresses: a public one has 22 characters, a personal one 43.
LINK_PATTERN = r"[A-Za-z0-9_-]{22,43}"
_IDS = struct.Struct(">QQ")
_PURPOSE = "efir.recording"


def personal_url(webinar: Webinar, person: Person) -> str:
    """Return the address of a webinar's published recording for this person: a personal one for an own recording."""
    recording = recordings.find(webinar)
    if not recordings.is_published(webinar, recording):
        return webinar.recording_url
    return absolute_url(f"/recordings/{personal_token(webinar.pk, person.pk)}/")


def personal_token(webinar_id: int, person_id: int) -> str:
    """Return the token of a person's own address."""
    ids = _IDS.pack(webinar_id, person_id)
    return urlsafe_b64encode(sealing.seal(ids, _PURPOSE)).rstrip(b"=").decode()


def playable(token: str) -> Recording | None:
    """Return the recording that a token opens, with its webinar; None if there is none, or not any more."""
    rows = Recording.objects.select_related("webinar__poster").filter(state=RecordingState.READY)
    ids = _read(token)
    if ids is None:
        return rows.filter(token=token).first()
    webinar_id, person_id = ids
    if not Person.objects.filter(pk=person_id, erased_at=None).exists():
        return None
    return rows.filter(pk=webinar_id).first()


def _read(token: str) -> tuple[int, int] | None:
    try:
        data = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (Base64Error, ValueError):
        return None
    ids = sealing.unseal(data, _PURPOSE)
    if ids is None or len(ids) != _IDS.size:
        return None
    webinar_id, person_id = _IDS.unpack(ids)
    return webinar_id, person_id
