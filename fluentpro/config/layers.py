"""All sources -> ordered layers -> one candidate, with everything that was found on the way."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Final

from dynaconf import Dynaconf

from fluentpro.config import environment as env
from fluentpro.config import toml
from fluentpro.config.diagnostics import Diagnostic, Severity
from fluentpro.config.fields import Path, Table
from fluentpro.config.files import Fingerprint, Reading, fingerprint, read
from fluentpro.config.origins import Origin
from fluentpro.config.snapshot import Candidate, Layer

SETTINGS: Final = "settings.toml"
SECRETS: Final = ".secrets.toml"
LOCAL: Final = ("settings.local.toml", ".secrets.local.toml")
REFERENCE: Final = "@vault "

_building = threading.Lock()  # each Dynaconf object reloads a module of dynaconf's own


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a process's configuration is read from."""

    root: FilePath
    """The folder that holds `settings.toml`."""
    environ: Mapping[str, str]
    schema: type[Table]
    environments: Sequence[str]
    """The known ones; the first is the default."""
    guarded: frozenset[str] = frozenset()
    """The environments that read references to secrets and refuse `.local` files."""

    @property
    def environment(self) -> str:
        """The environment that `ENV_FOR_DYNACONF` names, known or not."""
        return self.environ.get(env.SWITCH) or self.environments[0]

    @property
    def names(self) -> tuple[str, ...]:
        """The files of this environment that may hold settings, from the lowest layer to the highest."""
        chosen = [SETTINGS, f"settings/{self.environment}.toml"]
        if self.environment in self.guarded:
            chosen.append(SECRETS)
        return (*chosen, *LOCAL)

    def paths(self) -> tuple[FilePath, ...]:
        """Every file whose change may change the configuration, the ones that variables name included."""
        named = (file for _, file in env.read_variables(self.environ, self.schema).files.values())
        return (*(self.root / name for name in self.names), *named)

    def fingerprint(self) -> Fingerprint:
        """What differs when one of the files does; reads none of them."""
        return fingerprint(self.paths())

    def load(self) -> Candidate:
        """Read everything at one moment and merge it. Findings are collected, never raised."""
        wrong_switch = tuple(self._check_environment())
        if wrong_switch:
            return Candidate(self.environment, {}, (), wrong_switch)
        variables = env.read_variables(self.environ, self.schema)
        reading = read(self.paths())
        files, file_findings = self._files(reading)
        data, data_findings = env.layers(variables, reading.contents, self.schema)
        layers = (*files, *data)
        findings = [*file_findings, *variables.findings, *data_findings]
        if reading.torn:
            findings.append(_torn(self.root))
        strays = any(item.code == "CFG124" for item in findings)  # dynaconf would obey them
        values = {} if strays else _merge(files)
        for layer in layers if strays else data:
            _overlay(values, layer.values)
        candidate = Candidate(self.environment, values, layers)
        findings.extend(_drop_references(candidate, values))
        return Candidate(self.environment, values, layers, tuple(findings))

    def _check_environment(self) -> Iterator[Diagnostic]:
        name = self.environment
        if name not in self.environments:
            close = difflib.get_close_matches(name.lower(), self.environments, n=1)
            known = ", ".join(self.environments)
            yield Diagnostic(
                "CFG101",
                env.SWITCH,
                f"{name[:40]!r} is not an environment",
                Origin(f"env {env.SWITCH}"),
                f"set {env.SWITCH} to one of: {known}",
                close[0] if close else "",
            )

    def _files(self, reading: Reading) -> tuple[tuple[Layer, ...], list[Diagnostic]]:
        layers: list[Layer] = []
        findings: list[Diagnostic] = []
        for name in self.names:
            content = reading.contents[self.root / name]
            if isinstance(content, OSError):
                findings.extend(self._unreadable(name, content))
            elif name in LOCAL and self.environment in self.guarded:
                findings.append(_local(name, self.environment))
            else:
                layer, found = toml.parse(name, content, self.schema)
                findings.extend(found)
                layers.extend([layer] if layer else [])
        return tuple(layers), findings

    def _unreadable(self, name: str, error: OSError) -> Iterator[Diagnostic]:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            message = f"can't be read: {error.strerror}"
            fix = f"let this user read it: chmod u+r {self.root / name}"
            yield Diagnostic("CFG103", "", message, Origin(name), fix)
        elif name not in LOCAL:
            fix = f"restore it, or set {env.ROOT} to the folder that holds {SETTINGS}"
            yield Diagnostic("CFG102", "", f"no such file in {self.root}", Origin(name), fix)


@dataclass(frozen=True, slots=True)
class _List:
    """A list on its way through dynaconf, which would append what it recognises as one."""

    items: tuple[Any, ...]


def _merge(files: Iterable[Layer]) -> dict[str, Any]:
    """The file layers merged by dynaconf: tables by key, everything else replaced.

    dynaconf gets what we have read and sifted, never a file name: so all files are of one moment, and
    no `.local` twin, hook or include slips in (decision 0002).
    """
    with _building:
        merged = Dynaconf(
            settings_files=[],
            core_loaders=[],
            loaders=[],
            environments=False,
            auto_cast=False,
            load_dotenv=False,
            dynaboxify=False,
        )
        tables: set[str] = set()
        for layer in files:
            nested: dict[str, Any] = {}
            _overlay(nested, {path: _wrap(value) for path, value in layer.values.items()})
            tables.update(nested)
            merged.update(nested, merge=True, validate=False, dotted_lookup=False, tomlfy=False)
        values = merged.as_dict()
    return {name: _unwrap(values[name.upper()]) for name in tables}


def _wrap(value: Any) -> Any:
    return _List(value) if isinstance(value, tuple) else value


def _unwrap(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _unwrap(item) for name, item in value.items()}
    return value.items if isinstance(value, _List) else value


def _overlay(values: dict[str, Any], given: Mapping[Path, Any]) -> None:
    for path, value in given.items():
        table = values
        for name in path[:-1]:
            table = table.setdefault(name, {})
        table[path[-1]] = value


def _drop_references(candidate: Candidate, values: dict[str, Any]) -> Iterator[Diagnostic]:
    """Unset each effective reference to a secret: no backend is there to read it."""
    dropped: dict[str, list[Path]] = {}
    for path in sorted({path for layer in candidate.layers for path in layer.values}):
        winner = candidate.winner(path)
        if winner and _is_reference(winner.value):
            _unset(values, path)
            dropped.setdefault(winner.origin.source, []).append(path)
    for source, paths in dropped.items():
        keys = ", ".join(".".join(path) for path in paths)
        yield Diagnostic(
            "CFG300",
            "",
            f"no Vault is configured, so what refers to one is left unset: {keys}",
            Origin(source),
            f"give what you need as {env.variable(paths[0])} or {env.variable(paths[0])}_FILE, and so on",
            severity=Severity.WARNING,
        )


def _is_reference(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(REFERENCE)


def _unset(values: dict[str, Any], path: Path) -> None:
    table = values
    for name in path[:-1]:
        table = table[name]
    del table[path[-1]]


def _local(name: str, environment: str) -> Diagnostic:
    return Diagnostic(
        "CFG108",
        "",
        f"a local file has no place in {environment}",
        Origin(name),
        f"remove {name}; what it sets comes from Vault or from FLUENTPRO_* variables",
    )


def _torn(root: FilePath) -> Diagnostic:
    message = "the files changed each time they were read"
    return Diagnostic("CFG107", "", message, Origin(str(root)), "stop what keeps writing them")
