"""All sources -> ordered layers -> one candidate, with everything that was found on the way."""

from __future__ import annotations

import difflib
import shlex
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, Final

from dynaconf import Dynaconf

from fluentpro.config import environment as env
from fluentpro.config import toml
from fluentpro.config.diagnostics import Diagnostic, read_status
from fluentpro.config.display import brief, is_reference
from fluentpro.config.fields import Path, Table, settings_of
from fluentpro.config.files import Fingerprint, Reading, fingerprint, read
from fluentpro.config.origins import VARIABLE, Origin
from fluentpro.config.overrides import Ask, none_given, overlaid
from fluentpro.config.references import Reference, Resolver, unresolved
from fluentpro.config.snapshot import Candidate, Layer, overlay, unset

SETTINGS: Final = "settings.toml"
SECRETS: Final = ".secrets.toml"
LOCAL_SECRETS: Final = ".secrets.local.toml"
LOCAL: Final = ("settings.local.toml", LOCAL_SECRETS)
STACK: Final = ".stack/settings.toml"
"""Where `fluentpro up` writes how its own servers are reached, while they run."""

_ROOT, _MARK = "SETTINGS", "="
_building = threading.Lock()  # each Dynaconf object reloads a module of dynaconf's own


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a process's configuration is read from."""

    root: FilePath
    """The folder that holds `settings.toml`."""
    environ: Mapping[str, str] = field(repr=False)
    schema: type[Table]
    environments: Sequence[str]
    """The known ones; the first is the default."""
    guarded: frozenset[str] = frozenset()
    """The environments that refuse files of this machine."""
    resolve: Resolver = unresolved
    """Reads what references stand for."""
    backend: Path = ()
    """The setting that says whether the backend is used: where it is, this machine's secrets are not.
    Without such a setting it is used where the environment is guarded.
    """
    overrides: Ask = none_given
    """Tells what operators override."""
    settle: Callable[[bool], bool] = lambda used: used
    """Told whether the backend is to be used; says whether it is, which may take a restart to change."""

    @property
    def environment(self) -> str:
        """The environment that `ENV_FOR_DYNACONF` names, known or not."""
        return self.environ.get(env.SWITCH) or self.environments[0]

    @property
    def names(self) -> tuple[str, ...]:
        """The files of this environment that may hold settings, from the lowest layer to the highest."""
        stack = (STACK,) if self.environment == self.environments[0] else ()  # what it runs for
        return (SETTINGS, f"settings/{self.environment}.toml", SECRETS, *stack, *LOCAL)

    def paths(self) -> tuple[FilePath, ...]:
        """Every file whose change may change the configuration, the ones that variables name included."""
        return self._paths(env.read_variables(self.environ, self.schema))

    def fingerprint(self) -> Fingerprint:
        """What differs when one of the files does; reads none of them."""
        return fingerprint(self.paths())

    def load(self) -> Candidate:
        """Read everything at one moment and merge it. Findings are collected, never raised."""
        variables = env.read_variables(self.environ, self.schema)
        if wrong_switch := tuple(self._check_environment()):
            return Candidate(self.environment, {}, (), (*wrong_switch, *variables.findings))
        reading = read(self._paths(variables))
        files, file_findings = self._files(reading)
        data, data_findings = env.layers(variables, reading.contents, self.schema)
        files = self._with_secrets_of_one_kind(files, data)
        layers = (*files, *data)
        findings = [*file_findings, *variables.findings, *data_findings]
        if reading.torn:
            findings.append(_torn(self.root))
        values = _merge(files)
        references = self._take_out(Candidate(self.environment, values, files), values)
        given = {path for layer in data for path in layer.values}  # a variable's text is data, never obeyed
        references = tuple(item for item in references if item.setting.path not in given)
        for layer in data:
            overlay(values, layer.values)
        resolved = self.resolve(references, values, self.environment)
        if resolved.layer:
            layers = (*layers, resolved.layer)
            overlay(values, resolved.layer.values)
        findings.extend(resolved.findings)
        guarded = self.environment in self.guarded
        candidate = Candidate(self.environment, values, layers, tuple(findings), guarded)
        overrides = self.overrides(values)
        return overlaid(candidate, overrides, self.schema) if overrides else candidate

    def _with_secrets_of_one_kind(self, files: Sequence[Layer], data: Sequence[Layer]) -> tuple[Layer, ...]:
        """The layers without the references where nobody reads them, else without this machine's secrets."""
        given = [layer.values[self.backend] for layer in (*files, *data) if self.backend in layer.values]
        used = given[-1] is True if given else not self.backend and self.environment in self.guarded
        unread = LOCAL_SECRETS if self.settle(used) else SECRETS
        return tuple(layer for layer in files if layer.name != unread)

    def _paths(self, variables: env.Variables) -> tuple[FilePath, ...]:
        named = (file for _, file in variables.files.values())
        return (*(self.root / name for name in self.names), *named)

    def _take_out(self, candidate: Candidate, values: dict[str, Any]) -> tuple[Reference, ...]:
        """The references that no file shadows, taken out of the values."""
        known, found = settings_of(self.schema), []
        given = (
            path for layer in candidate.layers for path, value in layer.values.items() if is_reference(value)
        )
        for path in dict.fromkeys(given):
            winner = candidate.winner(path)
            if winner and is_reference(winner.value):
                unset(values, path)
                found.append(Reference(known[path], winner.value, winner.origin))
        return tuple(found)

    def _check_environment(self) -> Iterator[Diagnostic]:
        name = self.environment
        if name not in self.environments:
            begun = [known for known in self.environments if known.startswith(name.lower())]
            close = begun or difflib.get_close_matches(name.lower(), self.environments, n=1)
            known = ", ".join(self.environments)
            yield Diagnostic(
                "CFG101",
                env.SWITCH,
                f"{brief(name)} is not an environment",
                Origin(f"{VARIABLE}{env.SWITCH}"),
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
                layer, found = toml.parse(name, content, self.schema, self.environments)
                findings.extend(found)
                layers.extend([layer] if layer else [])
        return tuple(layers), findings

    def _unreadable(self, name: str, error: OSError) -> Iterator[Diagnostic]:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            message, path = f"can't be read: {error.strerror}", shlex.quote(str(self.root / name))
            fix = f"put a file there: {path} is something else"
            if isinstance(error, PermissionError):
                fix = f"let this user read it: `namei -l {path}` shows who may"
            yield Diagnostic("CFG103", "", message, Origin(name), fix, status=read_status(error))
        elif name not in LOCAL and (name not in (SECRETS, STACK) or self.environment in self.guarded):
            fix = f"restore it, or set {env.ROOT} to the folder that holds {SETTINGS}"
            yield Diagnostic("CFG102", "", f"no such file in {self.root}", Origin(name), fix)


@dataclass(frozen=True, slots=True, eq=False)
class _Sealed:
    """A value on its way through dynaconf, which would append lists and obey tokens in texts."""

    value: Any


def _merge(files: Iterable[Layer]) -> dict[str, Any]:
    """The file layers merged by dynaconf: tables by key, everything else replaced.

    dynaconf gets what we have read and sifted, never a file name: so all files are of one moment, and
    no `.local` twin, hook or include slips in (decision 0002). The mark in front of each name keeps it
    from meaning something to dynaconf, as `dynaconf_merge` would.
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
            dynaconf_skip_loaders=True,  # nothing to load: half of the time, and no variable has a say
        )
        merged.set(_ROOT, {}, validate=False, dotted_lookup=False)
        for layer in files:
            nested: dict[str, Any] = {}
            overlay(nested, {_marked(path): _Sealed(value) for path, value in layer.values.items()})
            merged.update({_ROOT: nested}, merge=True, validate=False, dotted_lookup=False, tomlfy=False)
        values: dict[str, Any] = merged.as_dict()[_ROOT]
    return _unwrap(values)


def _marked(path: Path) -> Path:
    return tuple(f"{_MARK}{name}" for name in path)


def _unwrap(table: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name.removeprefix(_MARK): item.value if isinstance(item, _Sealed) else _unwrap(item)
        for name, item in table.items()
    }


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
