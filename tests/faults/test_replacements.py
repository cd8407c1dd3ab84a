"""Faults 3 to 6: files that are replaced, moved, swapped and deleted. Every test relies on events alone."""

from __future__ import annotations

import shutil

import pytest

from tests.conftest import Launch
from tests.support.project import SETTINGS, Project, changed
from tests.support.server import Server
from tests.support.traffic import traffic
from tests.support.volume import Volume
from tests.support.waiting import eventually

pytestmark = pytest.mark.faults


def test_each_of_three_atomic_renames_is_seen(server: Server) -> None:
    """Fault 3."""
    for count in range(3):
        server.project.set("site.banner", f"renamed {count}")
        eventually(lambda banner=f"renamed {count}": server.serves(banner))


def test_each_of_three_saves_by_backup_and_rename_is_seen(server: Server) -> None:
    """Fault 4: the file is moved away, written anew, and the backup is deleted."""
    path = server.project.root / SETTINGS
    with traffic(server) as seen:
        for count in range(3):
            text = changed(server.project.read(), "site.banner", f"saved {count}")
            backup = path.rename(path.with_name(f"{path.name}~"))
            path.write_text(text)
            backup.unlink()
            eventually(lambda banner=f"saved {count}": server.serves(banner) and server.successful())
            seen.grows()
    assert seen.values("banner")[1:] == ["saved 0", "saved 1", "saved 2"]


def test_each_swap_of_a_mounted_volume_is_seen_whole(project: Project, launch: Launch) -> None:
    """Fault 5: both files change by one rename of a symbolic link, and are never mixed."""
    volume = Volume(project)
    volume.swap({"settings.toml": ("site.name", "name 0"), SETTINGS: ("site.banner", "banner 0")})
    server = launch()
    with traffic(server) as seen:
        for count in range(1, 4):
            volume.swap(
                {
                    "settings.toml": ("site.name", f"name {count}"),
                    SETTINGS: ("site.banner", f"banner {count}"),
                }
            )
            eventually(lambda banner=f"banner {count}": server.serves(banner))
            seen.grows()
    pairs = list(dict.fromkeys((body["name"], body["banner"]) for body in seen.bodies))
    assert pairs == [(f"name {count}", f"banner {count}") for count in range(4)]
    assert not server.refusals()


def test_a_value_in_a_mounted_file_is_followed_through_its_links(project: Project, launch: Launch) -> None:
    """Fault 5: the volume of a secret lies elsewhere, and its file in a folder below."""
    mount = project.root.parent / "secret"
    for version in ("..1", "..2", "..3"):
        (mount / version / "below").mkdir(parents=True)
        (mount / version / "below" / "banner").write_text(f"secret {version}\n")
    (mount / "..data").symlink_to("..1")
    (mount / "below").symlink_to("..data/below")
    server = launch(FLUENTPRO_SITE__BANNER_FILE=str(mount / "below" / "banner"))
    for version in ("..1", "..2", "..3"):
        (mount / "..next").symlink_to(version)
        (mount / "..next").rename(mount / "..data")
        eventually(lambda banner=f"secret {version}": server.serves(banner))


def test_a_deleted_file_changes_nothing_and_its_return_is_seen(server: Server) -> None:
    """Fault 6."""
    kept = server.agreed()
    with traffic(server) as seen:
        server.project.remove()
        eventually(lambda: server.refuses(kept, "CFG102"))
        assert server.get("/health/ready").json() == {"status": "warn"}
        assert [item["code"] for item in server.check("config-source")["errors"]] == ["CFG102"]
        seen.grows()
    assert len(seen.values("banner")) == 1
    text = changed(server.project.original(SETTINGS), "site.banner", "back again")
    server.project.replace(SETTINGS, text)
    eventually(lambda: server.serves("back again") and server.successful())
    assert len(server.refusals()) == server.workers


def test_a_folder_that_is_replaced_is_followed(server: Server) -> None:
    """Fault 6: as a checkout does it, everything at once; the watch must move to the new folder."""
    folder = server.project.root / "settings"
    shutil.copytree(folder, folder.with_name("settings.new"))
    folder.rename(folder.with_name("settings.old"))
    folder.with_name("settings.new").rename(folder)
    shutil.rmtree(folder.with_name("settings.old"))
    for count in range(2):
        server.project.set("site.banner", f"moved {count}")
        eventually(lambda banner=f"moved {count}": server.serves(banner))
