"""The pages of accounts, one module for each page's address."""

from __future__ import annotations

from efir.accounts.views.login import locked_out

__all__ = ["locked_out"]  # the settings name it here
