"""The poster field of the speaker's form: a new file, the stored poster, or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from efir.webinars.models import Poster
from efir.webinars.posters.decode import FORMATS, MAX_FILE_BYTES, read_upload
from efir.webinars.posters.render import render_upload
from efir.webinars.posters.store import store, touch

_GONE = _("Эта картинка уже не хранится. Выберите файл ещё раз.")


@dataclass(frozen=True)
class PosterRequest:
    """What the form sends: a new file, the id of a poster that is stored already, or that it is to be removed."""

    file: UploadedFile[bytes] | None
    kept: str
    removed: bool


class PosterInput(forms.FileInput):
    """An input of three parts: `NAME` (a file), `NAME_kept` (an id) and `NAME_removed` (a checkbox)."""

    def value_from_datadict(
        self, data: Mapping[str, Any], files: Mapping[str, Any], name: str
    ) -> PosterRequest:
        return PosterRequest(files.get(name), data.get(f"{name}_kept", ""), bool(data.get(f"{name}_removed")))

    def value_omitted_from_data(self, data: Mapping[str, Any], files: Mapping[str, Any], name: str) -> bool:
        return name not in files and f"{name}_kept" not in data and f"{name}_removed" not in data


class PosterField(forms.Field):
    """A field that cleans to a stored Poster or None.

    A valid file is stored at once, so that it need not be chosen again after an error in another field. A poster that
    no webinar uses is deleted a day later.
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
        """Return the poster. Raises ValidationError that says what to do."""
        if not isinstance(value, PosterRequest):
            return value  # the form does not send the field: the poster stays
        if value.file is not None:
            return store(render_upload(read_upload(value.file)))
        if value.removed or not value.kept:
            return None
        poster = touch(value.kept)
        if poster is None:
            raise ValidationError(_GONE, code="poster_gone")
        return poster
