"""Names of settings and tables on the command line: understood, suggested, completed."""

from __future__ import annotations

import difflib

import click
from click.shell_completion import CompletionItem

from fluentpro.config.environment import variable
from fluentpro.config.fields import Path, settings_of, tables_of
from fluentpro.config.manual import summary
from fluentpro.schema import Config

SETTINGS = settings_of(Config)
TABLES = {path: table for path, table in tables_of(Config).items() if path}


class Key(click.ParamType[Path]):
    """A setting or a table: `database.port`, `FLUENTPRO_DATABASE__PORT`, `database`."""

    name = "key"

    def convert(
        self,
        value: str | Path,
        param: click.Parameter | None,  # noqa: ARG002 # click's signature
        ctx: click.Context | None,  # noqa: ARG002 # click's signature
    ) -> Path:
        """The path that is meant; a name that is not known is answered with the nearest."""
        if not isinstance(value, str):
            return value
        path = tuple(value.split("."))
        if path in SETTINGS or path in TABLES:
            return path
        by_variable = {variable(known): known for known in SETTINGS}
        found = by_variable.get(value.removesuffix("_FILE"))
        if found is None:
            raise click.UsageError(f"there is no setting {value}; {_hint(value)}")
        return found

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 # click's signature
        param: click.Parameter,  # noqa: ARG002 # click's signature
        incomplete: str,
    ) -> list[CompletionItem[str]]:
        """The tables that begin so; the settings as well, once it is clear in which table."""
        names = {".".join(path): summary(table) for path, table in TABLES.items()}
        if "." in incomplete or sum(name.startswith(incomplete) for name in names) == 1:
            names |= {item.key: item.meaning for item in SETTINGS.values()}
        return [
            CompletionItem(name, help=text) for name, text in names.items() if name.startswith(incomplete)
        ]


def _hint(name: str) -> str:
    close = suggestions(name)
    return f"did you mean {' or '.join(close)}?" if close else "`fluentpro show` lists them all."


def suggestions(name: str) -> tuple[str, ...]:
    """What a name that is not known may have meant, best first: three at most."""
    keys = [item.key for item in SETTINGS.values()]
    leaf = name.rpartition(".")[2].lower()
    same = [key for key in keys if key.rpartition(".")[2] == leaf]
    close = difflib.get_close_matches(name.lower(), [*keys, *(".".join(path) for path in TABLES)], n=3)
    near = difflib.get_close_matches(leaf, {path[-1] for path in SETTINGS}, n=1, cutoff=0.7)
    alike = [key for key in keys if key.rpartition(".")[2] in near]
    return tuple(dict.fromkeys([*close[:1], *same, *alike, *close[1:]]))[:3]
