"""The console script `efir`."""

from __future__ import annotations

import argparse
import gettext
import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from efir.config import ConfigError
from efir.lib import os_errors
from efir.lib.postgresql import errors
from efir.ops.cli.output import reader_language
from efir.ops.cli.parser import build_parser

LOCALE = Path(__file__).parents[2] / "locale"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Return 0 if it is done, 1 if it was refused or failed, 2 for a wrong call or wrong settings."""
    choose_language(os.environ)
    options = build_parser().parse_args(argv)
    # After --help has answered: this import takes as long as all of the others.
    from django.db.utils import DatabaseError, OperationalError

    try:
        return run(options)
    except ConfigError as exc:
        print(f"efir: {exc}", file=sys.stderr)
        return 2
    except DatabaseError as exc:
        if trouble := os_errors.describe_sqlite(exc):
            why = f"says: {exc}: {trouble}"
        elif errors.is_read_only(exc):
            why = (
                "is read-only: it is a standby, or default_transaction_read_only is on. Name the primary, or let it "
                "write again."
            )
        elif errors.is_insufficient_privilege(exc):
            why = f"does not let Efir's role do this: {exc}. {_grant()}"
        elif isinstance(exc, OperationalError):
            why = f"does not answer: {exc}. Start it, or correct host, port, name or password there"
        else:
            raise
        print(f"efir: the database of EFIR_DATABASE_URL {why}".rstrip(), file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader has closed the pipe (`efir journal | head`); Python must not report that at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as exc:
        print(f"efir: {exc.filename or 'EFIR_DATA_DIR'}: {os_errors.describe(exc)}", file=sys.stderr)
        return 1


def _grant() -> str:
    """Return the SQL that gives Efir's role what it needs: since PostgreSQL 15 only the owner may create tables."""
    from django.db import connection

    database, role = connection.settings_dict["NAME"], connection.settings_dict["USER"]
    return (
        f'As a superuser run: ALTER DATABASE "{database}" OWNER TO "{role}"; or, connected to that database: GRANT '
        f'CREATE ON SCHEMA public TO "{role}";'
    )


def choose_language(environ: Mapping[str, str]) -> None:
    """Show help in Russian if that is the reader's language, else in the English of the code."""
    # For a list such as en:ru gettext would choose Russian, because English has no catalog.
    if reader_language(environ) == "ru":
        gettext.bindtextdomain("cli", LOCALE)
        gettext.textdomain("cli")


def run(options: argparse.Namespace) -> int:
    """Run the function `options.run`, after what `options.needs`. Return the exit code. Raises ConfigError.

    `needs` is "nothing"; "django"; "database": with the database's clock; or "schema": migrated, too. `run` is
    MODULE:FUNCTION below efir.ops.cli, imported when Django is set up.
    """
    if options.needs != "nothing":
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "efir.settings")
        if options.run == "server:demo":
            from efir.demo.environment import prepare

            prepare(os.environ)
        import django

        django.setup()
    if options.needs in ("schema", "database"):
        from efir.server.database import check_database

        check_database()
    if options.needs == "schema":
        from efir.server.migrate import migrate

        migrate(verbosity=1 if options.run == "server:migrate" else 0)
    if options.needs in ("schema", "database"):
        from efir.lib import clock

        clock.refresh()
    module, _, function = options.run.partition(":")
    command: Callable[[argparse.Namespace], int] = getattr(
        importlib.import_module(f"efir.ops.cli.{module}"), function
    )
    return command(options)


if __name__ == "__main__":
    sys.exit(main())
