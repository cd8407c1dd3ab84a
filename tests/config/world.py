"""A small world for the engine: a schema of its own, and a folder of settings files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from dynaconf import Validator as Says
from pydantic import AfterValidator, Field, SecretStr
from pydantic_core import PydanticCustomError

from fluentpro.config.diagnostics import Diagnostic
from fluentpro.config.errors import ConfigError
from fluentpro.config.fields import Effect, Table, setting
from fluentpro.config.layers import Sources
from fluentpro.config.rules import Rule
from fluentpro.config.snapshot import Candidate, Snapshot
from fluentpro.config.validate import Validator

ENVIRONMENTS = ("development", "testing", "production")
SIGNING = {"FLUENTPRO_KEYS__SIGNING": "0123456789abcdef"}
"""The one secret that the small schema cannot do without."""
GOOD = {
    "settings.toml": '[keys]\nissuer = "me"\n',
    "settings/development.toml": "# nothing\n",
    "settings/production.toml": "# nothing\n",
    ".secrets.toml": "# nothing\n",
}


def check_address(value: str) -> str:
    if "://" in value:
        return value
    raise PydanticCustomError("address", "{what}", {"what": "not a URL", "fix": 'write "scheme://host"'})


def check_secret(value: SecretStr) -> SecretStr:
    if len(value) >= 8:
        return value
    raise PydanticCustomError("secret", "{what}", {"what": "too short (at least 8 characters)"})


Port: TypeAlias = Annotated[int, Field(ge=1, le=65535, title="a port")]
Secret: TypeAlias = Annotated[SecretStr, AfterValidator(check_secret)]
Address: TypeAlias = Annotated[str, AfterValidator(check_address)]


class Site(Table):
    """How the service presents itself."""

    banner: str = setting("Hello", meaning="The text on top.", max_length=40)
    hosts: tuple[str, ...] = setting((), meaning="The names it answers to.", max_length=5)
    motto: str | None = setting(None, meaning="A second text.", pattern="^[A-Z]")
    debug: bool = setting(False, meaning="Show details.", effect=Effect.RESTART)


class Pool(Table):
    """Connections that are kept open."""

    least: int = setting(0, meaning="How many at least.", ge=0)
    most: int = setting(8, meaning="How many at most.", effect=Effect.REBIND, ge=0)
    ratio: float = setting(0.5, meaning="How full it may get.", gt=0, lt=1)


class Database(Table):
    """Where the data is."""

    engine: Literal["sqlite", "postgresql"] = setting("sqlite", meaning="The kind.", effect=Effect.RESTART)
    host: str = setting("localhost", meaning="The host.", effect=Effect.REBIND)
    port: Port = setting(5432, meaning="The TCP port.", effect=Effect.REBIND)
    replica: Port | None = setting(None, meaning="The port of a replica.")
    url: Address | None = setting(None, meaning="The whole address.")
    level: int | Literal["low", "high"] | None = setting(None, meaning="How much.")
    limits: tuple[int, ...] = setting((), meaning="Some numbers.")
    weight: float = setting(1.0, meaning="Any number.")
    password: Secret | None = setting(None, meaning="The password.")
    pool: Pool = Pool()


class Keys(Table):
    """What signs."""

    signing: Secret = setting(meaning="The key that signs.")
    earlier: tuple[Secret, ...] = setting((), meaning="Keys that signed before.")
    issuer: str = setting(meaning="Who signs.")


class Small(Table):
    """The whole configuration."""

    site: Site = Site()
    database: Database = Database()
    keys: Keys


RULES = (
    Rule(
        "CFG901",
        Says("site.debug", eq=False, env=["production"], description="must be off in production"),
        "set debug = false",
    ),
    Rule(
        "CFG902",
        Says(
            "database.pool.least",
            condition=lambda _: False,
            when=Says("", condition=lambda config: config.database.pool.least > config.database.pool.most),
            description="more than database.pool.most",
        ),
        "lower it, or raise database.pool.most",
    ),
    Rule(
        "CFG903",
        Says(
            "database.password",
            must_exist=True,
            when=Says("database.engine", eq="postgresql"),
            description="missing, and the engine is postgresql",
        ),
        "set it",
    ),
)
SMALL = Validator(Small, RULES, digest_key=("keys", "signing"))


@dataclass(frozen=True)
class World:
    """A folder of settings files; what it holds at first is valid."""

    root: Path

    def write(self, files: Mapping[str, str | bytes | None]) -> None:
        """Write files by their names; None takes one away."""
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                path.unlink()
            else:
                path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def sources(self, environ: Mapping[str, str] | None = None) -> Sources:
        """Its sources; the required secret is in the environment."""
        return Sources(
            self.root, SIGNING | dict(environ or {}), Small, ENVIRONMENTS, frozenset({"production"})
        )

    def load(self, environ: Mapping[str, str] | None = None) -> Candidate:
        """What is read from it."""
        return self.sources(environ).load()

    def snapshot(self, environ: Mapping[str, str] | None = None) -> Snapshot[Small]:
        """Its configuration, if it is valid."""
        return SMALL.validate(self.load(environ))

    def error(self, environ: Mapping[str, str] | None = None) -> ConfigError | None:
        """Why it is not valid; None if it is."""
        try:
            self.snapshot(environ)
        except ConfigError as error:
            return error
        return None

    def findings(self, environ: Mapping[str, str] | None = None) -> tuple[Diagnostic, ...]:
        """Everything that is found, in a valid configuration too."""
        error = self.error(environ)
        return error.findings if error else self.snapshot(environ).warnings

    def report(self, environ: Mapping[str, str] | None = None) -> str:
        """What a person reads, with the folder's name as `/project`."""
        return str(self.error(environ)).replace(str(self.root), "/project")


def values(snapshot: Snapshot[Small]) -> dict[str, Any]:
    """The configuration as plain data, secrets in the clear."""
    return snapshot.config.model_dump()
