"""What causes each of the engine's findings: a project in a folder, one thing wrong with it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from secrets import token_hex

import pytest

from fluentpro.config import layers
from fluentpro.config.diagnostics import Diagnostic, render
from fluentpro.config.errors import ConfigError
from fluentpro.config.files import Reading, read
from fluentpro.config.overrides import parse
from fluentpro.config.store import Store
from fluentpro.process import VALIDATOR, sources
from fluentpro.schema.rules import RULES
from tests.docs.pages import ROOT

Edit = tuple[str, str]
Patch = Callable[[pytest.MonkeyPatch, Path], None]

DEVELOPMENT = "settings/development.toml"
DEPLOYED = {
    "ENV_FOR_DYNACONF": "production",
    "FLUENTPRO_VAULT__ENABLED": "false",
    "FLUENTPRO_DATABASE__PASSWORD": token_hex(8),
    "FLUENTPRO_EMAIL__PASSWORD": token_hex(8),
}
VAULT = {
    **DEPLOYED,
    "FLUENTPRO_VAULT__ENABLED": "true",
    "FLUENTPRO_VAULT__AUTH_METHOD": "token",
    "FLUENTPRO_VAULT__TOKEN": token_hex(8),
    "FLUENTPRO_VAULT__STARTUP_WAIT": "0.01",
}
ENTRY = {"value": "hello", "author": "anna", "reason": "a tour", "since": 12, "until": None}
SECRETS = {"FLUENTPRO_DJANGO__SECRET_KEY": token_hex(32), "FLUENTPRO_OPERATIONS__TOKEN": token_hex(32)}


@dataclass(frozen=True)
class Cause:
    """One thing wrong."""

    edits: Mapping[str, Edit] = field(default_factory=dict)
    """For a file: what to replace once, and by what."""
    files: Mapping[str, str | bytes | None] = field(default_factory=dict)
    """Files to write; None removes one."""
    environ: Mapping[str, str | None] = field(default_factory=dict)
    """Variables to set; None takes away one that the others have."""
    overrides: Mapping[str, object] = field(default_factory=dict)
    """What is stored as overrides."""
    patch: Patch = lambda *_: None

    def printed(self, code: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> str:
        """The messages of one code, as FluentPro prints them."""
        found = self.findings(root, monkeypatch)
        return render([item for item in found if item.code == code]).replace(str(root), "/srv/fluentpro")

    def findings(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Diagnostic, ...]:
        """What FluentPro finds in a fresh project with this one thing wrong."""
        copy_project(root)
        for name, (old, new) in self.edits.items():
            text = (root / name).read_text()
            assert old in text, f"{name} does not hold {old!r} any more"
            (root / name).write_text(text.replace(old, new, 1))
        for name, content in self.files.items():
            if content is None:
                (root / name).unlink()
            else:
                (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        self.patch(monkeypatch, root)
        monkeypatch.chdir(root)
        environ = {name: text for name, text in {**SECRETS, **self.environ}.items() if text is not None}
        try:
            where = replace(sources(environ, root), overrides=lambda _: parse(self.overrides))
            return VALIDATOR.validate(where.load()).warnings
        except ConfigError as error:
            return error.findings


def copy_project(root: Path) -> None:
    """The committed settings files, and nothing of this machine."""
    shutil.copytree(ROOT / "settings", root / "settings")
    for name in ("settings.toml", ".secrets.toml"):
        shutil.copy(ROOT / name, root / name)


def _in_development(old: str, new: str) -> Cause:
    return Cause(edits={DEVELOPMENT: (old, new)})


def _environ(**environ: str | None) -> Cause:
    return Cause(environ=environ)


def _forbidden(name: str) -> Patch:
    """root may read everything, so the refusal of the operating system is played."""

    def patch(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        def refuse(paths: list[Path]) -> Reading:
            reading = read(paths)
            refused = {path: PermissionError(13, "Permission denied") for path in paths if path.name == name}
            return replace(reading, contents={**reading.contents, **refused})

        monkeypatch.setattr(layers, "read", refuse)

    return patch


def _torn(monkeypatch: pytest.MonkeyPatch, _root: Path) -> None:
    monkeypatch.setattr(layers, "read", lambda paths: replace(read(paths), torn=True))


@dataclass(frozen=True)
class ChangedDatabase(Cause):
    """Database settings, changed while a process runs, with which there is no connection."""

    SCRIPT = """
from fluentpro.config.diagnostics import render
from fluentpro.process import VALIDATOR, boot, sources
from fluentpro.web.database import check
import pathlib, re
old, path = boot(), pathlib.Path("settings/production.toml")
path.write_text(re.sub('(?m)^host = "postgres.*$', 'host = "127.0.0.1"\\nport = 1', path.read_text()))
print(render(check(old, VALIDATOR.validate(sources().load()))), end="")
"""

    def printed(self, code: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> str:
        """What the check before the swap says, in a process of its own: it makes Django's settings."""
        copy_project(root)
        environ = {"PATH": os.environ["PATH"], **SECRETS, **DEPLOYED}
        command = [sys.executable, "-c", self.SCRIPT]
        return subprocess.run(
            command, cwd=root, env=environ, capture_output=True, text=True, check=True
        ).stdout


@dataclass(frozen=True)
class Fault(Cause):
    """An error that nobody foresaw."""

    def findings(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Diagnostic, ...]:
        """What the first reading says."""
        with pytest.raises(ConfigError) as caught:
            Store(lambda: 1 // 0, VALIDATOR.validate).start()
        return caught.value.findings


CAUSES: Mapping[str, Cause] = {
    "CFG101": _environ(ENV_FOR_DYNACONF="prodution"),
    "CFG102": Cause(files={DEVELOPMENT: None}),
    "CFG103": Cause(patch=_forbidden("development.toml")),
    "CFG104": Cause(files={DEVELOPMENT: '[site]\nbanner = "Gr\xfc\xdf Gott"\n'.encode("latin-1")}),
    "CFG105": _in_development("debug = true", "debug = True"),
    "CFG106": Cause(files={DEVELOPMENT: ""}),
    "CFG107": Cause(patch=_torn),
    "CFG108": Cause(files={"settings.local.toml": "[logging]\n"}, environ={"ENV_FOR_DYNACONF": "production"}),
    "CFG110": _in_development("banner =", "baner ="),
    "CFG111": _in_development("[logging]", "[loging]"),
    "CFG112": _in_development('level = "INFO"', 'level = { default = "INFO" }'),
    "CFG113": _in_development("[site]\n", 'redis = "redis://localhost"\n\n[site]\n'),
    "CFG120": _environ(FLUENTPRO_SITE__BANER="Hello"),
    "CFG121": _environ(FLUENTPRO_REDIS__URL_FILE="/run/secrets/redis"),
    "CFG122": Cause(
        files={"password": "a"},
        environ={"FLUENTPRO_DATABASE__PASSWORD": "a", "FLUENTPRO_DATABASE__PASSWORD_FILE": "password"},
    ),
    "CFG123": Cause(
        environ={"FLUENTPRO_DATABASE__PASSWORD_FILE": "/run/secrets/database"}, patch=_forbidden("database")
    ),
    "CFG124": _environ(SETTINGS_FILE_FOR_DYNACONF="other.toml"),
    "CFG125": _environ(FLUENTPRO_SITE__BANNER="Gr\udcfc\udcdf Gott"),
    "CFG130": Cause(overrides={"site.baner": ENTRY}),
    "CFG131": Cause(overrides={"django.debug": {**ENTRY, "value": True}}),
    "CFG132": Cause(overrides={"site.banner": "hello"}),
    "CFG199": Fault(),
    "CFG201": _environ(FLUENTPRO_DJANGO__SECRET_KEY=None),
    "CFG202": _in_development("debug = true", 'debug = "yes"'),
    "CFG203": _in_development('level = "INFO"', 'level = "INFOS"'),
    "CFG204": _in_development('engine = "sqlite"', 'engine = "sqlite"\nport = 80000'),
    "CFG205": _in_development("debug = true", 'debug = true\ntime_zone = "Mars/Phobos"'),
    "CFG300": _in_development(
        "[database]", '[openai]\napi_key = "@vault kv/fluentpro/{env}/openai#api_key"\n\n[database]'
    ),
    "CFG302": Cause(environ={**VAULT, "FLUENTPRO_VAULT__ADDRESS": "http://127.0.0.1:1"}),
    "CFG311": Cause(
        edits={".secrets.toml": ("kv/fluentpro/{env}/auth0#client_secret", "kv/fluentpro/{env}/auth0")},
        environ={**VAULT, "FLUENTPRO_VAULT__ADDRESS": "http://127.0.0.1:1"},
    ),
    "CFG313": Cause(environ={**VAULT, "FLUENTPRO_VAULT__TOKEN": None}),
    "CFG501": ChangedDatabase(),
}


def printed(code: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The message of a code as FluentPro prints it; of a rule without the place, which differs."""
    if code in CAUSES:
        return CAUSES[code].printed(code, root, monkeypatch)
    rule = next(rule for rule in RULES if rule.code == code)
    return render([Diagnostic(rule.code, ".".join(rule.path), rule.message, fix=rule.fix)])
