"""The poster in the speaker's form: a new file, the one that is there, or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from efir.webinars.models import Poster
from efir.webinars.posters.decode import FORMATS, MAX_FILE_BYTES, file_too_large
from efir.webinars.posters.render import render_upload
from efir.webinars.posters.store import store, touch

_GONE = _("Эта картинка уже не хранится. Выберите файл ещё раз.")


@dataclass(frozen=True)
class PosterRequest:
    """What the request says: a file, else the id of a poster that is kept already; unless it is to be removed."""

    file: UploadedFile[bytes] | None
    kept: str
    removed: bool


class PosterInput(forms.FileInput):
    """Three parts under one name: `NAME` (a file), `NAME_kept` (an id) and `NAME_removed`."""

    def value_from_datadict(
        self, data: Mapping[str, Any], files: Mapping[str, Any], name: str
    ) -> PosterRequest:
        return PosterRequest(files.get(name), data.get(f"{name}_kept", ""), bool(data.get(f"{name}_removed")))

    def value_omitted_from_data(self, data: Mapping[str, Any], files: Mapping[str, Any], name: str) -> bool:
        return name not in files and f"{name}_kept" not in data and f"{name}_removed" not in data


class PosterField(forms.Field):
    """Gives a stored Poster or None.

    A good file is stored at once, so that nobody chooses it again because of another field's mistake; what no webinar
    takes is forgotten a day later.
    """

    widget = PosterInput

    def __init__(self) -> None:
        accept = ",".join(f"image/{kind.lower()}" for kind in FORMATS)
        super().__init__(
            label=_("Постер"),
            required=False,
            help_text=_("JPEG, PNG или WebP до 10 МБ, лучше 1600×900. Другие пропорции обрежем по центру."),
            widget=PosterInput(attrs={"accept": accept, "data-largest": MAX_FILE_BYTES}),
        )

    def clean(self, value: PosterRequest | Poster | None) -> Poster | None:
        """Raises ValidationError with what to do."""
        if not isinstance(value, PosterRequest):
            return value  # not asked for: as it is
        if value.file is not None:
            return _stored(value.file)
        if value.removed or not value.kept:
            return None
        poster = touch(value.kept)
        if poster is None:
            raise ValidationError(_GONE, code="poster_gone")
        return poster


def _stored(file: UploadedFile[bytes]) -> Poster:
    if (file.size or 0) > MAX_FILE_BYTES:
        raise file_too_large()
    return store(render_upload(file.read()))
