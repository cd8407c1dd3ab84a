"""The stack as a whole: started side by side, made fit for FluentPro, stopped in order."""

from __future__ import annotations

import json
import os
import secrets
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from fluentpro.config.environment import variable
from fluentpro.config.layers import STACK as SETTINGS
from fluentpro.stack import process
from fluentpro.stack.errors import StackError
from fluentpro.stack.folder import NAME, PASSWORD_BYTES, Folder, taken
from fluentpro.stack.openbao import OpenBao
from fluentpro.stack.postgresql import PostgreSQL
from fluentpro.stack.process import Nursery
from fluentpro.stack.server import GRACE, Server
from fluentpro.stack.valkey import Valkey
from fluentpro.vault.bootstrap import BootstrapError, State, bootstrap, connect, credentials, value
from fluentpro.vault.plan import PROCESSES, Database, Generated, read_plan, role_name

DATABASE: Final = "fluentpro"
MAKER: Final = "fluentpro_vault"
"""The PostgreSQL user as whom Vault makes users."""
OPERATOR: Final = "operator.json"
"""The login of whoever rotates the stack's secrets."""
HEADER: Final = "# Written by `fluentpro up`, and removed when it ends.\n\n"
ROLES: Final = "database.sql"
"""The file in `secrets/` that makes PostgreSQL's roles."""
MADE: Final = "v-"
"""How the names of the users that Vault makes begin."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Something that got done on the way up or down."""

    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.subject:<12}{self.text}"


Report = Callable[[Progress], None]


def silent(_progress: Progress) -> None:
    """Report to nobody."""


@dataclass(frozen=True, slots=True)
class Stack:
    """The stack of one project, in its folder `.stack`."""

    root: Path
    environment: str = "development"
    source: Path | None = None
    """The folder `secrets/` that says what has to be in Vault; the project's own unless told otherwise."""

    def claim(self) -> None:
        """Raise a `StackError` if it runs already."""
        if pid := Folder((self.root / NAME).resolve()).holder():
            raise taken(pid)

    def _plan(self) -> None:
        folder = self.source or self.root / "secrets"
        try:
            (folder / ROLES).read_text(encoding="utf-8")
            read_plan(folder, [self.environment])
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            message = f"the folder {folder} says what has to be in OpenBao, and can't be read: {error}"
            raise StackError(message, "restore it: git checkout secrets") from None

    @contextmanager
    def running(self, report: Report = silent, *, reset: bool = False) -> Iterator[Running]:
        """Have the stack run for as long as the block does; with `reset` it starts anew, without its data.

        Raises a `StackError` where it can't run, or runs already. `report` is always called from the
        caller's own thread.
        """
        folder, nursery, owner = Folder((self.root / NAME).resolve()), Nursery(), os.getpid()
        servers = (PostgreSQL(folder, nursery), Valkey(folder, nursery), OpenBao(folder, nursery))
        self._plan()
        with folder.locked():
            if reset:
                for server in servers:
                    process.end_left_over(folder, server.name, server.stop_signal, GRACE)
                folder.clear()
            up = Running(*servers, self.environment, self.source or self.root / "secrets")
            try:
                up.start(report)
                yield up
            finally:
                if os.getpid() == owner:  # a forked child that leaves by an exception stops nothing
                    up.stop(report)
                    nursery.close()


@dataclass(slots=True)
class Running:
    """The servers while they run."""

    postgresql: PostgreSQL
    valkey: Valkey
    openbao: OpenBao
    environment: str
    source: Path
    _logins: dict[str, tuple[str, Path]] = field(default_factory=dict, repr=False)
    """Each process type's role id, and the file with its secret id."""

    @property
    def servers(self) -> tuple[Server, ...]:
        """In the order in which they are stopped, last to first: OpenBao ends users in PostgreSQL."""
        return (self.postgresql, self.valkey, self.openbao)

    @property
    def dead(self) -> tuple[Server, ...]:
        """The servers that ended by themselves; `start` on one of them mends that."""
        return tuple(server for server in self.servers if not server.alive)

    def start(self, report: Report = silent) -> None:
        """Start what does not run, side by side, and see that each has what FluentPro needs of it."""
        began = time.monotonic()
        for server in self.servers:
            if server.alive:
                server.new = False  # a start that mends takes nothing away from those who work
        with ThreadPoolExecutor(len(self.servers), thread_name_prefix="stack-start") as pool:
            starts = {pool.submit(_timed, server): server for server in self.servers}
            try:
                for done in as_completed(starts):
                    server = starts[done]
                    origin = "new, " if server.new else ""
                    where = f"127.0.0.1:{server.port}"
                    report(Progress(server.title, f"{where}  {origin}ready in {done.result():.1f} s"))
            except BaseException:
                self.postgresql.nursery.given_up.set()
                raise
        report(Progress("Bootstrap", self._bootstrap()))
        report(Progress("Stack", f"ready in {time.monotonic() - began:.1f} s"))

    def stop(self, report: Report = silent) -> None:
        """Stop the servers one after the other: OpenBao first, which uses PostgreSQL."""
        for server in reversed(self.servers):
            if server.alive:
                report(Progress(server.title, f"stopped in {_timed(server, stop=True):.1f} s"))

    def client(self) -> Any:
        """An hvac client that may do everything in this Vault."""
        keys = self.openbao.keys
        return connect(self.openbao.url, keys.root if keys else "")

    def environ(self, process_type: str = "web") -> Mapping[str, str]:
        """The variables with which a FluentPro process uses the stack; no secret is among them."""
        role_id, secret_id_file = self._logins[process_type]
        vault = ("vault", "secret_id")
        return {
            variable(("database", "engine")): "postgresql",
            variable(("database", "host")): "127.0.0.1",
            variable(("database", "port")): str(self.postgresql.port),
            variable(("database", "name")): DATABASE,
            variable(("database", "sslmode")): "disable",
            variable(("redis", "url")): self.valkey.url,
            variable(("vault", "enabled")): "true",
            variable(("vault", "address")): self.openbao.url,
            variable(("vault", "auth_method")): "approle",
            variable(("vault", "role_id")): role_id,
            f"{variable(vault)}_FILE": str(secret_id_file),
            "VAULT_ADDR": self.openbao.url,
        }

    @contextmanager
    def settings(self, port: int | None = None) -> Iterator[None]:
        """Let every command of the project use the stack: a layer of its own, there while the block runs.

        With `port`, they look for the service there.
        """
        role_id, secret_id_file = self._logins["web"]
        tables: dict[str, Mapping[str, Any]] = {
            "database": {
                "engine": "postgresql",
                "host": "127.0.0.1",
                "port": self.postgresql.port,
                "name": DATABASE,
                "sslmode": "disable",
                "pool_min": 1,
                "pool_max": 8,
            },
            "redis": {"url": self.valkey.url},
            "features": {"celery": True},
            "fleet": {"enabled": True},
            "vault": {
                "enabled": True,
                "address": self.openbao.url,
                "auth_method": "approle",
                "role_id": role_id,
                "secret_id": secret_id_file.read_text().strip(),
                "startup_wait": 5.0,
            },
        }
        if port is not None:
            tables = {"server": {"port": port}, **tables}
        folder = self.openbao.folder
        operator, operator_file = self._logins["operator"]
        login = {"role_id": operator, "secret_id": operator_file.read_text().strip()}
        folder.write(OPERATOR, json.dumps(login))
        path = folder.write(Path(SETTINGS).name, HEADER + _toml(tables))
        try:
            yield
        finally:
            path.unlink(missing_ok=True)

    def _bootstrap(self) -> str:
        """Make PostgreSQL, OpenBao and Valkey know each other; returns what that took, for people."""
        roles = (self.source / ROLES).read_text(encoding="utf-8")
        self.postgresql.create(DATABASE, roles)
        if self.openbao.new:
            self.postgresql.drop_users(MADE)
        database = Database(
            self.environment,
            "127.0.0.1",
            self.postgresql.port,
            DATABASE,
            self._grant,
            sslmode="disable",
            anew=self.postgresql.new and not self.openbao.new,
        )
        path = f"fluentpro/{self.environment}/redis"
        valkey = Generated(path, {"password": lambda: self.valkey.password})
        plan = read_plan(self.source, [self.environment], [database])
        client = self.client()
        try:
            steps = list(bootstrap(client, replace(plan, generated=(*plan.generated, valkey))))
            self.valkey.accept(value(client, path, "password") or self.valkey.password)
            for process_type in (*PROCESSES, "operator"):
                self._log_in(client, process_type)
        except BootstrapError as error:
            raise StackError(error.message, error.fix) from None
        changed = sum(step.state is not State.UNCHANGED for step in steps)
        return f"{len(steps)} items in OpenBao, {changed} of them made or changed"

    def _grant(self) -> str:
        """A password for the user as whom Vault makes users; Vault changes it at once."""
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        self.postgresql.set_password(MAKER, password)
        return password

    def _log_in(self, client: Any, process_type: str) -> None:
        folder, name = self.openbao.folder, f"approle/{process_type}.secret-id"
        role = role_name(self.environment, process_type)
        role_id, secret_id = credentials(client, role, folder.read(name))
        self._logins[process_type] = (role_id, folder.write(name, secret_id))


def _toml(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Tables of texts, numbers and switches as TOML, whose words for them are JSON's."""
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
        for name, table in tables.items()
    )


def _timed(server: Server, *, stop: bool = False) -> float:
    """Start or stop a server; returns how long it took, in s."""
    began = time.monotonic()
    server.stop() if stop else server.start()
    return time.monotonic() - began
