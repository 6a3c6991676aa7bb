"""Loaded before Django is (`-p tests.environment`): tests see no settings of this machine's own, and leave none."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import hypothesis

from tests.support import migrated
from tools.tmpfs import memory_dir

KEPT = {"EFIR_DATABASE_URL"}

for name in [name for name in os.environ if name.startswith("EFIR_") and name not in KEPT]:
    del os.environ[name]
if in_memory := memory_dir():
    os.environ["TMPDIR"] = tempfile.tempdir = in_memory
migrated.run_dir()
_data_dir = tempfile.mkdtemp(prefix="efir-tests-")
atexit.register(shutil.rmtree, _data_dir, ignore_errors=True)
os.environ["EFIR_DATA_DIR"] = _data_dir
# To be in the room is enough, so that a test that is about something else needs to record presence alone.
os.environ["EFIR_MIN_WATCHED"] = "0"
(Path(_data_dir) / "static").mkdir()
# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("efir", deadline=None)
hypothesis.settings.load_profile("efir")
