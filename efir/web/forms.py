"""Form fields that clean input before they validate it; every form uses these."""

from __future__ import annotations

from typing import Any

from django import forms

from efir.lib.text import clean_line, clean_text, clean_token, clean_url

# Longer text is refused for its length anyway, and the time of cleaning grows with the length.
MAX_CLEANED = 20_000


class CleanedField(forms.Field):
    """A field whose text is cleaned first. Lengths and patterns are those of what remains."""

    def clean_pasted(self, text: str) -> str:
        return clean_token(text)

    def to_python(self, value: Any) -> Any:
        # NUL never comes from typing or copying: the validators refuse it.
        if isinstance(value, str) and len(value) <= MAX_CLEANED and "\x00" not in value:
            value = self.clean_pasted(value)
        return super().to_python(value)


class LineField(CleanedField, forms.CharField):
    """One line for people to read."""

    def clean_pasted(self, text: str) -> str:
        return clean_line(text)


class TextField(CleanedField, forms.CharField):
    """Lines for people to read."""

    widget = forms.Textarea

    def clean_pasted(self, text: str) -> str:
        return clean_text(text)


class UrlField(CleanedField, forms.CharField):
    """A URL, or code that holds one."""

    def clean_pasted(self, text: str) -> str:
        return clean_url(text)


class TokenField(CleanedField, forms.CharField):
    """A login, a number, a code: no text for people."""

    def widget_attrs(self, widget: forms.Widget) -> Any:
        # With a maximum length the browser would cut off pasted text with blanks, brackets or a scheme before it is
        # cleaned.
        return {name: value for name, value in super().widget_attrs(widget).items() if name != "maxlength"}


class EmailField(CleanedField, forms.EmailField):
    """An e-mail address."""


class IntegerField(CleanedField, forms.IntegerField):
    """A whole number."""


class FloatField(CleanedField, forms.FloatField):
    """A number."""
