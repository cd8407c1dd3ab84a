"""The settings files as they stood at one moment."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from fluentpro.config.files import ATTEMPTS, WAITS, fingerprint, read


def never(seconds: float) -> None:
    raise AssertionError(f"waited {seconds} s")


@pytest.fixture
def pair(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "one", tmp_path / "other"]
    for path in paths:
        path.write_text("old")
    return paths


def later() -> float:
    """A clock that is past every change."""
    return 1e12


def test_all_files_are_read_and_one_that_is_missing_is_its_error(pair: list[Path]) -> None:
    missing = pair[0].with_name("missing")
    reading = read([*pair, missing, Path("a\0b")], later, never)
    assert [reading.contents[path] for path in pair] == [b"old", b"old"]
    assert isinstance(reading.contents[missing], FileNotFoundError)
    error = reading.contents[Path("a\0b")]
    assert isinstance(error, OSError)
    assert error.errno == errno.EINVAL
    assert not reading.torn
    assert reading.fingerprint == fingerprint([*pair, missing, Path("a\0b")])
    assert "old" not in repr(reading)


def test_files_that_change_while_they_are_read_are_read_again(pair: list[Path], tmp_path: Path) -> None:
    """A folder that is swapped between two files, as Kubernetes does, gives no mix of the two."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for file in ("one", "other"):
            (tmp_path / name / file).write_text(name)
    link = tmp_path / "data"
    link.symlink_to("a")

    class Swapping(type(Path())):  # type: ignore[misc]  # the concrete class is another on each system
        """A path that moves the link when it is read."""

        def read_bytes(self) -> bytes:
            content = super().read_bytes()
            if link.readlink().name == "a":
                link.unlink()
                link.symlink_to("b")
            return content

    reading = read([Swapping(link / "one"), Swapping(link / "other")], later, never)
    assert list(reading.contents.values()) == [b"b", b"b"]
    assert not reading.torn


def test_files_that_change_each_time_are_torn(pair: list[Path]) -> None:
    times: list[int] = []

    class Changing(type(Path())):  # type: ignore[misc]  # the concrete class is another on each system
        """A path that somebody writes whenever it is read."""

        def read_bytes(self) -> bytes:
            times.append(1)
            self.write_text("x" * len(times))
            return super().read_bytes()

    assert read([Changing(pair[0])], later, never).torn
    assert len(times) == ATTEMPTS


def test_a_file_that_was_just_written_is_read_when_its_time_is_over(pair: list[Path]) -> None:
    """Another change within the same tick of the kernel's clock would leave no trace."""
    waited: list[float] = []

    def write_once_more(seconds: float) -> None:
        waited.append(seconds)
        pair[0].write_text("new")

    def clock() -> float:
        return max(path.stat().st_ctime for path in pair) + (1 if waited else 0.002)

    assert read(pair, clock, write_once_more).contents[pair[0]] == b"new"
    assert waited == [pytest.approx(0.008, abs=0.002)]


def test_files_that_are_written_all_the_time_are_read_all_the_same(pair: list[Path]) -> None:
    waited: list[float] = []

    def write(seconds: float) -> None:
        waited.append(seconds)
        pair[0].write_text("x" * len(waited))

    reading = read(pair, lambda: 0.0, write)
    assert not reading.torn
    assert len(waited) == WAITS
    assert max(waited) <= 0.01


CHANGES: dict[str, Callable[[Path], object]] = {
    "written": lambda path: path.write_text("new"),
    "replaced": lambda path: path.with_name("new").rename(path),
    "removed": lambda path: path.unlink(),
    "allowed to others": lambda path: path.chmod(0o640),
    "set back in time": lambda path: os.utime(path, (0, 0)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_fingerprint_differs_when_a_file_does(pair: list[Path], change: str) -> None:
    pair[0].with_name("new").write_text("old")
    before = fingerprint(pair)
    assert fingerprint(pair) == before
    threading.Event().wait(0.02)  # the kernel's clock ticks
    CHANGES[change](pair[0])
    assert fingerprint(pair) != before
