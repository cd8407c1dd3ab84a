"""A program that becomes a server: one that ends with us, and that is not root where it must not be.

`python -I -S launch.py SIGNAL PROCESS THREAD OWNED COMMAND...`, where the kernel sends SIGNAL when the
thread that started this program ends, PROCESS and THREAD are the numbers of that thread, and OWNED is the
folder of a server that refuses to be root, or "-". It is a program because that is safe beside other
threads: a function between `fork` and `exec` (`preexec_fn`) can meet a lock that some other thread held.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal as signals
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

CLONE_NEWUSER: Final = 0x10000000
PR_SET_PDEATHSIG: Final = 1
USER: Final = "nobody"
CANNOT_RUN: Final = 126
"""Exit status that shells give to what can't be run."""


def launched(command: Sequence[str], stop: signals.Signals, owned: Path | None = None) -> list[str]:
    """The command that runs a command which is sent `stop` when the calling thread ends."""
    ours = (str(stop.value), str(os.getpid()), str(threading.get_native_id()), str(owned or "-"))
    return [sys.executable, "-I", "-S", __file__, *ours, *command]


def main(arguments: list[str]) -> int:
    """Become the command; returns only if that fails, with the exit status."""
    signal, parent, thread, owned, *command = arguments
    os.umask(0o077)
    try:
        if owned != "-" and os.geteuid() == 0:
            leave_root(Path(owned))
        die_with(int(signal), int(parent), int(thread))
        os.execv(command[0], command)  # noqa: S606 # no shell is wanted
    except OSError as error:
        sys.stderr.write(f"can't run {command[0]}: {error.strerror}: {error.filename or ''}\n")
    return CANNOT_RUN


def die_with(signal: int, parent: int, thread: int) -> None:
    """Have the kernel send us the signal when our parent's thread ends; Linux alone knows how."""
    lives = os.getppid() == parent
    if sys.platform == "linux":
        _call("prctl", PR_SET_PDEATHSIG, signal, 0, 0, 0)
        threads = Path(f"/proc/{parent}/task")
        lives = os.getppid() == parent and (not threads.exists() or (threads / str(thread)).exists())
    if not lives:  # it ended before we could ask
        sys.exit(CANNOT_RUN)


def leave_root(owned: Path) -> None:
    """Be somebody else than root, who owns the folder.

    Preferably in a user namespace, in which root is called nobody: files stay root's, and a checkout
    below a folder that is root's alone can be read. Where there may be no namespaces (as in most
    containers), we become nobody indeed.
    """
    nobody = pwd.getpwnam(USER)
    if _works(lambda: _enter_namespace(nobody)):
        _own(owned, 0, 0)
        _enter_namespace(nobody)
        return
    become(nobody, owned)


def become(user: pwd.struct_passwd, owned: Path) -> None:
    """Be this user, who owns the folder; ends the process, saying why, if they can't reach it."""
    _own(owned, user.pw_uid, user.pw_gid)
    owned.parent.chmod(0o711)  # what is in there is still for its owners alone
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    if not os.access(owned, os.X_OK):
        cure = "do it as an ordinary user, or open the folders above it with chmod o+x"
        sys.exit(f"the user {user.pw_name}, who runs PostgreSQL for root, can't reach {owned}: {cure}")


def _enter_namespace(nobody: pwd.struct_passwd) -> None:
    _call("unshare", CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/gid_map").write_text(f"{nobody.pw_gid} 0 1")
    Path("/proc/self/uid_map").write_text(f"{nobody.pw_uid} 0 1")


def _works(attempt: Callable[[], None]) -> bool:
    """Whether an attempt succeeds, made by a child, who alone has to live with it."""
    child = os.fork()
    if child == 0:
        try:
            attempt()
        except BaseException:  # noqa: BLE001 # the exit status says it
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def _own(folder: Path, user: int, group: int) -> None:
    if folder.stat().st_uid != user:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user, group, follow_symlinks=False)


def _call(name: str, *arguments: Any) -> None:
    """Call the C library; an `OSError` if it refuses."""
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
