"""`efir serve`, `web`, `worker`, `demo`, `migrate` and `rotate-key`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from django.conf import settings

from efir.config import KEY_FILE, ConfigError, secret_key_variable
from efir.demo import seed, site
from efir.ops.cli.output import locale_name
from efir.server import processes, secret_key
from efir.server.locks import exclusive_lock
from efir.server.models import DemoMark


def serve(options: argparse.Namespace) -> int:
    """Run web and worker in one process."""
    _refuse_demo_data()
    return processes.run_serve()


def web(options: argparse.Namespace) -> int:
    """Run a web process."""
    _refuse_demo_data()
    return processes.run_web()


def worker(options: argparse.Namespace) -> int:
    """Run a worker."""
    _refuse_demo_data()
    return processes.run_worker()


def demo(options: argparse.Namespace) -> int:
    """Seed the demo's data unless it is there, and run web and worker.

    Its data is Russian unless the option or the locale says English; the locale `C` does not.
    """
    language = options.language or ("en" if locale_name(os.environ).startswith("en") else "ru")
    with exclusive_lock("web"), exclusive_lock("worker"):
        seed.prepare(reset=options.reset, language=language)
        secret_key.confirm()
        return processes.run_components(
            processes.web_component(site.make_application), processes.worker_component
        )


def migrate(options: argparse.Namespace) -> int:
    """Do nothing: the database has been migrated before every command that needs the schema."""
    return 0


def rotate_key(options: argparse.Namespace) -> int:
    """Change the secret key, and print what became invalid."""
    rotated = secret_key.rotate(_old_key(options.old_key_file))
    variable, path = secret_key_variable(os.environ), settings.EFIR.data_dir / KEY_FILE
    where = f"from {variable}" if variable else f"in {path}; copy it to the EFIR_DATA_DIR of other machines"
    print(f"The secret key is new: {where}. Sessions ended: {rotated.sessions}. One-time links are invalid.")
    if rotated.second_factors_lost:
        print(
            f"Second factors that need the old key: {rotated.second_factors_lost}. These people log in with "
            "a recovery code; or run `efir person reset-second-factor LOGIN`."
        )
    return 0


def _old_key(path: Path | None) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() if path else None
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"--old-key-file: {path} cannot be read, or is not a key") from None


def _refuse_demo_data() -> None:
    if DemoMark.objects.exists():
        raise ConfigError(
            "the database has the demo's people, whose passwords are public. Use another EFIR_DATA_DIR (and another "
            "EFIR_DATABASE_URL, if it is set) for a real installation."
        )
