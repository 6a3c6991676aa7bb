"""Django's own list for a site on the network, as an installation behind https has it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.one_database


def test_deploy_check_has_no_warnings(tmp_path):
    environ = os.environ | {
        "DJANGO_SETTINGS_MODULE": "efir.settings",
        "EFIR_DATA_DIR": str(tmp_path),
        "EFIR_PUBLIC_URL": "https://efir.example.org",
    }
    words = [sys.executable, "-m", "django", "check", "--deploy", "--fail-level", "WARNING"]
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no issues" in done.stdout
