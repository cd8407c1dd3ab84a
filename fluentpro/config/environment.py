"""Environment variables -> a layer: `FLUENTPRO_DATABASE__PORT`, or `..._FILE` that names a file."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path as FilePath
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from fluentpro.config.diagnostics import Diagnostic, read_status
from fluentpro.config.fields import Path, Setting, Table, settings_of
from fluentpro.config.origins import Origin
from fluentpro.config.snapshot import Layer

PREFIX: Final = "FLUENTPRO_"
ROOT: Final = "FLUENTPRO_ROOT"
"""Names the folder that holds `settings.toml`; the one variable of ours that is no setting."""
SWITCH: Final = "ENV_FOR_DYNACONF"

_SUFFIX = "_FILE"
_LONGEST = 200  # characters of a name that anybody could have misspelt
# Kubernetes sets these in every pod beside a Service whose name begins with fluentpro (enableServiceLinks).
_SERVICE_LINK = re.compile(
    r"FLUENTPRO(_[A-Z0-9]+)*_(SERVICE_(HOST|PORT(_[A-Z0-9]+)*)|PORT_\d+_(TCP|UDP|SCTP)(_[A-Z]+)?)=.*"
    r"|FLUENTPRO(_[A-Z0-9]+)*_PORT=(tcp|udp|sctp)://.*",
    re.DOTALL,
)
_TRUE, _FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})


@dataclass(frozen=True, slots=True)
class Variables:
    """What the environment says: values, files that hold values, and what is wrong with it."""

    values: Mapping[Path, tuple[str, str]] = field(default_factory=dict, repr=False)
    """Each setting's variable and text."""
    files: Mapping[Path, tuple[str, FilePath]] = field(default_factory=dict, repr=False)
    """Each setting's `_FILE` variable and the file it names."""
    findings: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class _VariableOrigins:
    names: Mapping[Path, str]

    def value(self, path: Path) -> Origin:
        return Origin(f"env {self.names[path]}" if path in self.names else "environment")

    key = value


def variable(path: Path) -> str:
    """The environment variable of a setting: `FLUENTPRO_DATABASE__PORT`."""
    return PREFIX + "__".join(path).upper()


@cache
def _names(schema: type[Table]) -> Mapping[str, Path]:
    return MappingProxyType({variable(path): path for path in settings_of(schema)})


def read_variables(environ: Mapping[str, str], schema: type[Table]) -> Variables:
    """Sort the `FLUENTPRO_*` variables into values, files and findings. No file is read."""
    known = _names(schema)
    values: dict[Path, tuple[str, str]] = {}
    files: dict[Path, tuple[str, FilePath]] = {}
    findings = list(_strays(environ))
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name == ROOT:
            continue
        base = name.removesuffix(_SUFFIX)
        if not _is_utf8(environ[name]):
            findings.append(_not_utf8(name))
        elif name in known:
            values[known[name]] = (name, environ[name])
        elif base != name and base in known:
            files[known[base]] = (name, FilePath(environ[name]))
        elif not _SERVICE_LINK.fullmatch(f"{name}={environ[name]}"):
            findings.append(_unknown(name, known))
    findings.extend(_twice(path, values[path][0], files[path][0]) for path in values if path in files)
    return Variables(values, files, tuple(findings))


def layers(
    variables: Variables, contents: Mapping[FilePath, bytes | OSError], schema: type[Table]
) -> tuple[tuple[Layer, ...], tuple[Diagnostic, ...]]:
    """The environment's layer, and what is wrong with the files that its variables name."""
    known = settings_of(schema)
    names = {path: name for path, (name, _) in variables.values.items()}
    values = {path: convert(text, known[path]) for path, (_, text) in variables.values.items()}
    findings: list[Diagnostic] = []
    for path, (name, file) in variables.files.items():
        text = _text(name, known[path], file, contents[file])
        if isinstance(text, Diagnostic):
            findings.append(text)
        elif path not in values:
            names[path] = f"{name} ({file})"
            values[path] = convert(text, known[path])
    layer = Layer("environment", values, _VariableOrigins(names))
    return (layer,) if values else (), tuple(findings)


def convert(text: str, setting: Setting) -> Any:
    """A variable's text in the setting's type; the text itself where it does not fit, to be refused."""
    return _converted(text, setting.annotation)


def _converted(text: str, annotation: Any) -> Any:
    for kind in _kinds(annotation):
        try:
            return _as(kind, text)
        except (ValueError, RecursionError):
            continue
    return text


def _kinds(annotation: Any) -> Iterator[Any]:
    """The types that a setting accepts, in the order of declaration: `int | str` takes `5` as a number."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _kinds(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for option in get_args(annotation):
            yield from _kinds(option)
    elif annotation is not NoneType:
        yield annotation


def _as(kind: Any, text: str) -> Any:
    if get_origin(kind) is tuple:
        return _items(text, get_args(kind)[0])
    if get_origin(kind) is Literal:
        return next((choice for choice in get_args(kind) if str(choice) == text), text)
    if kind is bool:
        word = text.strip().lower()
        if word in _TRUE | _FALSE:
            return word in _TRUE
        raise ValueError
    return kind(text) if kind in (int, float) else text


def _items(text: str, kind: Any) -> tuple[Any, ...]:
    """A list: a JSON array, else split at commas; `[::1], localhost` is a list of two hosts."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if text.lstrip().startswith("["):
        with suppress(ValueError):
            return tuple(json.loads(text))
        if '"' in text or any(part.count("[") != part.count("]") for part in parts):
            raise ValueError
    return tuple(_converted(part, kind) for part in parts)


def _text(name: str, setting: Setting, file: FilePath, content: bytes | OSError) -> str | Diagnostic:
    key, origin = setting.key, Origin(f"env {name}")
    if file == FilePath():
        return Diagnostic("CFG121", key, f"{name} is empty: it names no file", origin, f"unset {name}")
    if isinstance(content, OSError):
        if isinstance(content, FileNotFoundError | NotADirectoryError):
            message, fix = _not_there(name, setting, file)
            return Diagnostic("CFG121", key, message, origin, fix)
        message = f"the file that {name} names can't be read: {content.strerror}"
        fix = f"set {name} to the path of a file that this user may read"
        return Diagnostic("CFG123", key, message, origin, fix, status=read_status(content))
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        wrong = f"byte 0x{error.object[error.start]:02x} at offset {error.start}"
        return Diagnostic("CFG104", key, f"{file} is not UTF-8: {wrong}", origin, "save it as UTF-8")
    return text[:-1].removesuffix("\r") if text.endswith("\n") else text


def _not_there(name: str, setting: Setting, file: FilePath) -> tuple[str, str]:
    fix = f"set {name} to the path of a file that holds the value, or unset it"
    if setting.secret and not (file.parent.name and file.parent.is_dir()):
        # A likely slip is to put the secret itself where its file's name belongs.
        return f"{name} names no file that exists; it is not shown, since it could be the secret", fix
    return f"{name} names {file}, and there is no such file", fix


def _strays(environ: Mapping[str, str]) -> Iterator[Diagnostic]:
    for name in sorted(environ):
        if name != SWITCH and (name.endswith("_FOR_DYNACONF") or name.startswith("DYNACONF_")):
            yield Diagnostic(
                "CFG124",
                name,
                "this variable would change how dynaconf reads; only ENV_FOR_DYNACONF is ours",
                Origin(f"env {name}"),
                f"unset {name}; to set a value, use FLUENTPRO_<TABLE>__<KEY>",
            )


def _unknown(name: str, known: Mapping[str, Path]) -> Diagnostic:
    ending = _SUFFIX if name.upper().endswith(_SUFFIX) else ""
    name = name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…"
    base = name.upper().removesuffix(_SUFFIX)
    close = difflib.get_close_matches(base, known, n=1, cutoff=0.75)
    return Diagnostic(
        "CFG120",
        name,
        "no setting has this variable",
        Origin(f"env {name}"),
        f"unset {name}" + ("" if close else "; `fluentpro schema --env-template` lists them all"),
        f"{close[0]}{ending}" if close else "",
    )


def _twice(path: Path, name: str, file_name: str) -> Diagnostic:
    return Diagnostic(
        "CFG122",
        ".".join(path),
        f"{name} and {file_name} both give it",
        Origin(f"env {name}"),
        f"unset {name}, or unset {file_name}",
    )


def _not_utf8(name: str) -> Diagnostic:
    return Diagnostic(
        "CFG125", name, "its value is not UTF-8", Origin(f"env {name}"), f"set {name} again as UTF-8"
    )


def _is_utf8(text: str) -> bool:
    """False for the lone surrogates by which Python hands over bytes that are not UTF-8."""
    return not any("\ud800" <= char <= "\udfff" for char in text)
