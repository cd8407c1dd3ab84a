"""One container of ours, held as tightly as in production, and how the world outside sees it."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from tests.image.engine import Engine
from tests.image.images import OURS, ROOT
from tests.support.waiting import eventually

USER: Final = 10001
HELD: Final = (
    "--read-only",
    "--tmpfs=/tmp:mode=1777",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--memory=512m",
    "--pids-limit=128",
)
NETWORK: Final = "proof"
TESTING: Final = {
    "ENV_FOR_DYNACONF": "testing",
    "FLUENTPRO_SERVER__HOST": "0.0.0.0",  # noqa: S104 # of the container
    "FLUENTPRO_DATABASE__NAME": "/data/db.sqlite3",
    "FLUENTPRO_DJANGO__SECRET_KEY": "the key of one container, and of no other, in one test",
    "FLUENTPRO_LOGGING__LEVEL": "INFO",
    # Nothing is found by asking now and then.
    "FLUENTPRO_RELOAD__POLL_INTERVAL": "600",
}


@dataclass
class Container:
    """A container that serves, or tried to."""

    engine: Engine
    name: str
    port: int

    @property
    def state(self) -> Any:
        """What the engine says of it."""
        return self.engine.inspect(self.name)["State"]

    @property
    def logs(self) -> str:
        """What it said."""
        return self.engine.docker("logs", self.name)

    def get(self, path: str) -> httpx.Response:
        """Ask it over a connection of its own."""
        headers = {"Host": "localhost", "Connection": "close"}
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", headers=headers, timeout=5, trust_env=False)

    def banner(self) -> str:
        """The banner that it serves."""
        return str(self.get("/api/v1/about").json()["banner"])

    def is_ready(self) -> bool:
        """Whether it wants requests."""
        with suppress(httpx.TransportError):
            return self.get("/health/ready").status_code == 200
        return False


def start(
    engine: Engine, name: str, data: Path, *options: str, ready: bool = True, **variables: str
) -> Container:
    """Start one, with a migrated database in `data`."""
    join(engine)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = _options(TESTING | variables)
    published = f"--publish=127.0.0.1:{port}:8000"
    engine.docker(
        *("run", "--detach", f"--name={name}", f"--network={NETWORK}", published, f"--volume={data}:/data"),
        *(*HELD, *given, *options, OURS),
    )
    container = Container(engine, name, port)
    if ready:
        eventually(container.is_ready, within=60, every=0.1)
    return container


def join(engine: Engine) -> None:
    """Have the network that the containers are on."""
    if engine.try_("network", "inspect", NETWORK).returncode != 0:
        engine.docker("network", "create", NETWORK)


def migrated(engine: Engine, folder: Path) -> Path:
    """A folder with a database that has its tables, made by the image itself; it belongs to our user."""
    folder.mkdir()
    folder.chmod(0o755)
    os.chown(folder, USER, USER)
    words = ("run", "--rm", "--network=none", f"--volume={folder}:/data", *HELD, *_options(TESTING))
    engine.docker(*words, "--entrypoint=python", OURS, "manage.py", "migrate", "--verbosity=0")
    return folder


def mounted(folder: Path, **contents: str) -> Path:
    """The settings as Kubernetes mounts a ConfigMap: links to `..data`, which is a link itself."""
    folder.mkdir()
    swap(folder, **contents)
    for name in ("settings.toml", ".secrets.toml", "settings"):
        (folder / name).symlink_to(f"..data/{name}")
    return folder


def swap(folder: Path, **contents: str) -> None:
    """Another version of all files, in one rename; `contents` by the environment's name."""
    version = folder / f"..{len(list(folder.iterdir()))}"
    (version / "settings").mkdir(parents=True)
    for path in (ROOT / "settings.toml", ROOT / ".secrets.toml", *ROOT.glob("settings/*.toml")):
        (version / path.relative_to(ROOT)).write_text(contents.get(path.stem) or path.read_text())
    (folder / "..new").symlink_to(version.name)
    (folder / "..new").rename(folder / "..data")


def _options(variables: Mapping[str, str]) -> list[str]:
    return [f"--env={name}={value}" for name, value in variables.items()]
