"""`fluentpro explain`: what a setting is, what it means, and where it comes from."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import click

from fluentpro.cli.keys import TABLES, Key
from fluentpro.cli.look import Look, look
from fluentpro.cli.report import refusing
from fluentpro.config.diagnostics import render
from fluentpro.config.environment import variable
from fluentpro.config.explain import Effective, concerns, duration, explained
from fluentpro.config.fields import Path
from fluentpro.config.manual import EFFECTS, default, summary, words
from fluentpro.schema import Config


@click.command(epilog="Example: fluentpro explain database.port")
@click.argument("key", type=Key())
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def explain(key: Path, *, as_json: bool) -> None:
    """Explain a setting: its value, its meaning, its origins.

    KEY is a setting (database.port), its variable, or a table (database), whose settings are listed.
    It works when the configuration is not valid, and then says what is wrong with the setting.
    """
    with refusing(as_json=as_json):
        seen = look()
    table = key in TABLES
    if as_json:
        answer = {"environment": seen.environment, "valid": seen.valid}
        click.echo(json.dumps(answer | explained(seen.values, key, seen.findings, Config), indent=2))
        return
    findings = [item for item in seen.findings if concerns(item, key)]
    click.echo("\n".join(_table(seen, key) if table else _setting(seen.values[key])))
    if findings:
        click.echo(f"\n{render(findings)}", nl=False)


def _setting(of: Effective) -> Iterator[str]:
    item = of.setting
    yield f"{item.key} = {of.text}"
    yield f"\n  {item.meaning}\n"
    yield from (f"  {name:<12}{text}" for name, text in _facts(of))


def _facts(of: Effective) -> Iterator[tuple[str, str]]:
    item, name = of.setting, variable(of.setting.path)
    yield "from", of.source
    if of.origin.version:
        yield "version", of.origin.version
    if (age := of.age(time.time())) is not None:
        yield "age", duration(age)
    for hidden in of.shadows:
        yield "shadows", f"{hidden.display} from {hidden.origin}"
    yield "type", words(item, Config)
    if item.unit:
        yield "unit", item.unit
    if not item.secret:
        yield "default", default(item)
    yield "effect", f"{item.effect.value}: {EFFECTS[item.effect]}"
    yield "overridable", "yes" if item.overridable else "no"
    yield "variable", f"{name}, or {name}_FILE for a file that holds the value"


def _table(seen: Look, key: Path) -> Iterator[str]:
    items = _inside(seen, key)
    names, values = [item.setting.path[-1] for item in items], [item.text for item in items]
    widths = max(map(len, names)), min(max(map(len, values)), 40)
    yield f"{'.'.join(key)}: {summary(TABLES[key])}\n"
    for name, value, item in zip(names, values, items, strict=True):
        yield f"  {name:<{widths[0]}}  {value:<{widths[1]}}  {item.source}"


def _inside(seen: Look, table: Path) -> list[Effective]:
    return [item for path, item in seen.values.items() if path[: len(table)] == table]
