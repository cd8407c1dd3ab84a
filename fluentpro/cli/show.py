"""`fluentpro show`: the whole effective configuration, without its secrets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import click

from fluentpro.cli.keys import Key
from fluentpro.cli.look import Look, look
from fluentpro.cli.report import note_invalid, refusing
from fluentpro.config.explain import DEFAULT, Effective
from fluentpro.config.fields import Path


@click.command(epilog="Example: fluentpro show database --origins")
@click.argument("table", type=Key(), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option("--origins", is_flag=True, help="Say where each value comes from.")
def show(table: Path | None, *, as_json: bool, origins: bool) -> None:
    """Show the effective configuration, without its secrets.

    It is printed as TOML, a secret as ********.
    TABLE shows one table (database) or one setting (database.port) alone.
    """
    with refusing(as_json=as_json):
        seen = look()
    note_invalid(seen.environment, seen.findings)
    chosen = [item for path, item in seen.values.items() if table is None or path[: len(table)] == table]
    if as_json:
        click.echo(json.dumps(_as_data(seen, chosen, origins=origins), indent=2))
    else:
        click.echo("\n".join(_toml(seen, chosen, origins=origins)))


def _as_data(seen: Look, chosen: list[Effective], *, origins: bool) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for item in chosen:
        table = settings
        for name in item.setting.path[:-1]:
            table = table.setdefault(name, {})
        shown = {"value": item.data, "origin": str(item.origin)} if origins else item.data
        table[item.setting.path[-1]] = shown
    return {
        "environment": seen.environment,
        "valid": seen.valid,
        "digest": seen.digest,
        "settings": settings,
    }


def _toml(seen: Look, chosen: list[Effective], *, origins: bool) -> Iterator[str]:
    yield f"# {seen.environment}, {f'digest {seen.digest}' if seen.digest else 'not valid'}"
    for table, items in groupby(chosen, key=lambda item: item.setting.path[:-1]):
        yield f"\n[{'.'.join(table)}]"
        for item in items:
            yield _line(item) + (f"  # {item.source}" if origins and item.origin is not DEFAULT else "")


def _line(item: Effective) -> str:
    name = item.setting.path[-1]
    if item.data is None:
        return f"# {name} is {item.text}"
    # JSON's texts and lists are TOML's too, but for what TOML, or a terminal, wants escaped.
    value = json.dumps(item.data, ensure_ascii=False)
    return f"{name} = " + "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in value)
