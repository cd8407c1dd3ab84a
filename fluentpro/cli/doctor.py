"""`fluentpro doctor`: what is wrong with this machine, and what mends it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict

import click

from fluentpro.cli import machine
from fluentpro.cli.look import reading
from fluentpro.cli.machine import DJANGO_SETTINGS, Finding, Verdict
from fluentpro.config.diagnostics import Diagnostic, errors, exit_status
from fluentpro.config.display import HIDDEN, visible, without_password
from fluentpro.config.errors import ConfigError
from fluentpro.config.layers import Sources
from fluentpro.process import VALIDATOR, boot, secrets
from fluentpro.schema import Config


@click.command(epilog="Example: fluentpro doctor --json")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor(*, as_json: bool) -> None:
    """Examine this machine: what is wrong, and what mends it.

    Nothing is changed. Exit status: 0 nothing fails, 1 something does, 78 or 77 the configuration does.
    """
    found: list[Finding] = []
    with reading() as where:
        config, wrong = _configuration(where)
        for finding in _examine(where, config, wrong):
            found.append(finding)
            if not as_json:
                click.echo(_line(finding))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in found], indent=2))
    failed = any(finding.verdict is Verdict.FAIL for finding in found)
    raise SystemExit(exit_status(wrong) or int(failed))


def _line(finding: Finding) -> str:
    text = f"{finding.verdict:<6}{finding.subject:<20}{finding.text}"
    return f"{text}\n{'':26}fix: {finding.fix}" if finding.fix else text


def _examine(where: Sources, config: Config | None, wrong: tuple[Diagnostic, ...]) -> Iterator[Finding]:
    yield machine.python()
    yield machine.root(where)
    yield Finding("environment", Verdict.OK, where.environment)
    yield from machine.modes(where)
    yield from machine.variables(os.environ)
    yield from _verdicts(wrong)
    yield machine.watches(where.root)
    yield machine.memory()
    if config is not None:
        yield machine.port(config.server)
        yield from _database(where, config)


def _configuration(where: Sources) -> tuple[Config | None, tuple[Diagnostic, ...]]:
    try:
        snapshot = VALIDATOR.validate(where.load())
    except ConfigError as error:
        return None, error.findings
    return snapshot.config, snapshot.warnings


def _verdicts(findings: tuple[Diagnostic, ...]) -> Iterator[Finding]:
    """A line for each thing that is wrong with the configuration; the whole story is `check`'s."""
    if not errors(findings):
        yield Finding("configuration", Verdict.OK, "valid")
    for item in findings:
        verdict = Verdict.FAIL if item in errors(findings) else Verdict.WARN
        subject = f"{item.key}: " if item.key else f"{item.origin}: " if item.origin else ""
        fix = f"did you mean {item.suggestion}?" if item.suggestion else item.fix
        where = "variables" if item.origin and item.origin.source.startswith("env ") else "configuration"
        yield Finding(where, verdict, f"{item.code} {subject}{item.message}", fix)


def _database(where: Sources, config: Config) -> Iterator[Finding]:
    """Whether the database answers and has its tables; Django is started for it, so this comes last."""
    database = config.database
    if database.engine == "sqlite" and not (where.root / database.name).is_file():
        text = f"{database.name} is not there yet"
        yield Finding("database", Verdict.WARN, text, "`fluentpro up` or `./manage.py migrate` makes it")
        return
    try:
        os.environ["DJANGO_SETTINGS_MODULE"] = DJANGO_SETTINGS
        boot()
        import django
        from django.conf import settings

        from fluentpro.web.settings import database_settings

        # A pool would wait, and hide the reason.
        settings.DATABASES["default"] = database_settings(database.model_copy(update={"pool_max": 0}))
        django.setup(set_prefix=False)
        from fluentpro.web import health

        yield Finding("database", Verdict.OK, health.database().text)
        tables = health.migrations()
    except Exception as error:  # noqa: BLE001 # whatever Django or a driver raises; the doctor goes on
        fix = "start the database, or correct its settings: `fluentpro explain database`"
        yield Finding("database", Verdict.FAIL, _reason(error, config), fix)
        return
    finally:
        if known := secrets():
            known.close()
    missing = tables.facts.get("missing", ())
    if missing:
        text, fix = f"{len(missing)} migrations are not applied", "./manage.py migrate"
        yield Finding("migrations", Verdict.FAIL, text, fix)
    else:
        yield Finding("migrations", Verdict.OK, tables.text)


def _reason(error: Exception, config: Config) -> str:
    """An error's first line, without the password that a driver may repeat."""
    text = visible(without_password(f"{type(error).__name__}: {error}".splitlines()[0]))
    password = config.database.password
    return text.replace(password.get_secret_value(), HIDDEN) if password else text
