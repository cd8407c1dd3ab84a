"""A process in its fleet, over a real Valkey."""

from __future__ import annotations

import time

from fluentpro.config.diagnostics import Diagnostic
from fluentpro.config.errors import ConfigError
from fluentpro.config.snapshot import Snapshot
from fluentpro.fleet.announcement import Announcement, Kind
from fluentpro.fleet.looks import poll
from fluentpro.fleet.registry import State
from fluentpro.schema import Config
from tests.fleet.conftest import PASSWORD, Mates
from tests.support.valkey import Valkey
from tests.support.waiting import eventually


def test_members_see_one_another(mates: Mates) -> None:
    for number in range(3):
        mates.join(f"host/web/{number}")

    seen = eventually(lambda: known if len(known := mates.seen()) == 3 else None)

    assert {item.state for item in seen.values()} == {State.SYNCED}
    assert seen["host/web/1"].facts() | {"age_seconds": 0} == {
        "process": "host/web/1",
        "host": seen["host/web/1"].host,
        "role": "web",
        "pid": seen["host/web/1"].pid,
        "digest": mates.made[1].digest,
        "state": "SYNCED",
        "error": "",
        "pending_restart": [],
        "age_seconds": 0,
    }


def test_a_request_to_reload_reaches_everybody(mates: Mates) -> None:
    members = [mates.join() for _ in range(3)]
    before = members[0].digest
    eventually(lambda: len(mates.seen()) == 3)
    mates.project.set("site.banner", "announced")

    members[0].member.announce(Kind.RELOAD)

    eventually(lambda: all(mate.digest != before for mate in members))
    assert len({mate.digest for mate in members}) == 1
    eventually(lambda: {item.state for item in mates.seen().values()} == {State.SYNCED})
    eventually(lambda: all(mate.applied[-1][1:] == (before, "request") for mate in members))


def test_a_change_is_acknowledged_with_both_digests(mates: Mates) -> None:
    mate = mates.join()
    before = mate.digest
    mates.project.set("site.banner", "acknowledged")

    mate.runtime.store.reload("file")

    channel = mates.channel()
    _, said = eventually(lambda: answer if (answer := channel.acknowledged("0-0", 0.1))[1] else None)
    channel.close()
    assert {name: said[0][name] for name in ("outcome", "digest", "previous", "trigger", "error")} == {
        "outcome": "ACK",
        "digest": mate.digest,
        "previous": before,
        "trigger": "file",
        "error": "",
    }


def test_a_refusal_is_a_nack_that_names_what_is_wrong_and_shows_no_value(mates: Mates) -> None:
    mate = mates.join()
    mates.project.set("database.password", 12)

    mate.runtime.store.reload("file")

    seen = eventually(lambda: item if (item := mates.seen()[mate.member.name]).error else None)
    assert seen.state is State.REJECTED
    assert seen.digest == mate.digest
    assert "database.password" in seen.error
    assert "12" not in seen.error.replace("settings/testing.toml", "").partition("(")[0]


def test_a_process_that_refuses_goes_back_to_synced_once_it_accepts(mates: Mates) -> None:
    mate = mates.join()
    mates.project.break_off()
    mate.runtime.store.reload("file")
    eventually(lambda: mates.seen()[mate.member.name].state is State.REJECTED)

    mates.project.restore()
    mate.runtime.store.reload("file")

    eventually(lambda: mates.seen()[mate.member.name].state is State.SYNCED)


def test_a_restart_field_is_shown_as_pending(mates: Mates) -> None:
    mate = mates.join()
    mates.project.set("server.workers", 7)

    mate.runtime.store.reload("file")

    seen = eventually(lambda: item if (item := mates.seen()[mate.member.name]).pending_restart else None)
    assert (seen.state, seen.pending_restart) == (State.RESTART, ("server.workers",))


def test_whoever_missed_an_announcement_sees_that_it_lags_and_looks_everything_up(mates: Mates) -> None:
    first, second = mates.join(), mates.join()
    eventually(lambda: len(mates.seen()) == 2)
    mates.project.set("site.banner", "nobody announced this")

    first.runtime.store.reload("file")

    eventually(lambda: second.digest == first.digest)
    assert ("", "") in second.secrets


def test_what_was_said_before_a_process_joined_is_looked_up(mates: Mates) -> None:
    first = mates.join()
    mates.project.set("site.banner", "before the second")
    second = mates.join()
    first.runtime.store.reload("file")

    eventually(lambda: second.digest == first.digest)


def test_a_newer_secret_is_told_by_place_and_version(mates: Mates) -> None:
    members = [mates.join() for _ in range(2)]
    eventually(lambda: len(mates.seen()) == 2)

    members[0].member.announce(Kind.SECRET, place="kv/fluentpro/testing/django", mark="7")

    for mate in members:
        eventually(lambda mate=mate: ("kv/fluentpro/testing/django", "7") in mate.secrets)


def test_overrides_that_could_not_be_read_are_read_again_soon(mates: Mates) -> None:
    answers = ["too many connections", "too many connections", ""]
    trouble = [""]
    read: list[str] = []

    def overrides() -> bool:
        trouble[0] = answers[min(len(read), 2)] if told else ""
        read.extend([trouble[0]] if told else [])
        return told and not trouble[0]

    told = False
    mate = mates.join(overrides=overrides, override_trouble=lambda: trouble[0])
    eventually(mates.seen)
    mates.project.set("site.banner", "overridden")
    told = True

    mates.channel().announce(Announcement(Kind.OVERRIDE, "a person", {"revision": 1}))

    eventually(lambda: mate.runtime.store.snapshot.config.site.banner == "overridden")
    assert read == answers


def test_two_environments_and_two_releases_never_mix(mates: Mates, server: Valkey) -> None:
    mate = mates.join()
    eventually(lambda: mate.member.name in mates.seen())
    config = mate.runtime.store.snapshot.config
    other = Mates(mates.project, mates.release + "-next")
    stranger = other.join("host/web/stranger")
    eventually(lambda: "host/web/stranger" in other.seen())

    assert "host/web/stranger" not in mates.seen()
    elsewhere = mates.channel().open(config.fleet, config.redis, "staging", mates.release)
    assert elsewhere is not None
    assert elsewhere.processes() == ()
    elsewhere.announce(Announcement(Kind.SECRET, "a person", {"place": "kv/x", "mark": "1"}))
    other.channel().announce(Announcement(Kind.SECRET, "a person", {"place": "kv/y", "mark": "1"}))
    mates.channel().announce(Announcement(Kind.SECRET, "a person", {"place": "kv/z", "mark": "1"}))
    eventually(lambda: ("kv/z", "1") in mate.secrets)
    assert ("kv/x", "1") not in mate.secrets
    assert ("kv/y", "1") not in mate.secrets
    elsewhere.close()
    stranger.member.stop()


def test_whoever_leaves_is_gone_at_once_and_whoever_is_silent_is_stale_then_forgotten(
    mates: Mates,
) -> None:
    leaver, silent = mates.join("host/web/leaver"), mates.join("host/web/silent")
    watcher = mates.join("host/web/watcher")
    eventually(lambda: len(mates.seen()) == 3)

    leaver.member.stop()
    assert set(mates.seen()) == {"host/web/silent", "host/web/watcher"}

    silent.member._listening.halt()
    silent.member._beating.halt()
    eventually(lambda: mates.seen()["host/web/silent"].state is State.STALE)
    assert mates.seen()["host/web/watcher"].state is State.SYNCED
    eventually(lambda: watcher.member.share and watcher.member.share.count == 1)
    eventually(lambda: "host/web/silent" not in mates.seen())


def test_a_server_that_comes_back_empty_costs_nothing_but_time(mates: Mates, server: Valkey) -> None:
    first, second = mates.join(), mates.join()
    eventually(lambda: len(mates.seen()) == 2)

    server.stop()
    eventually(lambda: first.member.trouble and first.member.share is None)
    assert [event for event, _ in first.warned] == ["fleet.lost"]
    mates.project.set("site.banner", "while it was away")
    first.runtime.store.reload("file")
    server.start()

    eventually(lambda: len(mates.seen()) == 2)
    eventually(lambda: second.digest == first.digest)
    eventually(lambda: first.warned[-1][0] == "fleet.joined")


def test_a_server_that_holds_its_connections_and_is_silent_is_noticed(mates: Mates, server: Valkey) -> None:
    mate = mates.join()
    eventually(mates.seen)
    server.freeze()
    try:
        eventually(lambda: mate.member.trouble == "Redis did not answer in time")
        assert mate.member.share is None
    finally:
        server.thaw()
    eventually(lambda: mate.member.trouble == "" and mate.member.share)


def test_a_changed_password_is_taken_up(mates: Mates, server: Valkey) -> None:
    mate = mates.join()
    mate.runtime.store.listeners.append(_listener(mate.member.rebind))
    eventually(mates.seen)
    assert server.ask("CONFIG", "SET", "requirepass", "another password of the server") == "+OK"
    server.password = "another password of the server"
    try:
        assert server.ask("CLIENT", "KILL", "TYPE", "normal").startswith(":")
        eventually(lambda: "refused the password" in mate.member.trouble)
        assert PASSWORD not in str(mate.warned)

        mates.project.replace(
            "settings.local.toml",
            mates.project.read("settings.local.toml").replace(PASSWORD, server.password),
        )
        mate.runtime.store.reload("file")

        eventually(lambda: mate.member.trouble == "")
    finally:
        server.ask("CONFIG", "SET", "requirepass", PASSWORD)
        server.password = PASSWORD


def test_members_vote_on_a_plan(mates: Mates) -> None:
    def accept(entries: object) -> Snapshot[Config]:
        assert entries == {"site.banner": "planned"}
        return mates.made[0].runtime.store.rehearse(lambda candidate: candidate)

    members = [mates.join(rehearse=accept) for _ in range(2)]
    eventually(lambda: len(mates.seen()) == 2)
    channel = mates.channel()

    votes, silent = poll(
        channel,
        Announcement(Kind.REHEARSE, "a person", {"entries": {"site.banner": "planned"}}),
        time.monotonic() + 10,
    )

    channel.close()
    assert silent == ()
    assert {vote.process for vote in votes} == {mate.member.name for mate in members}
    assert all(vote.accepts and vote.digest == members[0].digest for vote in votes)


def test_a_vote_against_says_why_and_whoever_is_silent_is_named(mates: Mates) -> None:
    def refuse(_entries: object) -> Snapshot[Config]:
        raise ConfigError("testing", [Diagnostic("CFG204", "site.banner", "too long")])

    mates.join("host/web/no", rehearse=refuse)
    mute = mates.join("host/web/mute", rehearse=refuse)
    eventually(lambda: len(mates.seen()) == 2)
    mute.member._listening.stop()
    channel = mates.channel()

    votes, silent = poll(
        channel, Announcement(Kind.REHEARSE, "a person", {"entries": {}}), time.monotonic() + 1
    )

    channel.close()
    assert [(vote.process, vote.accepts) for vote in votes] == [("host/web/no", False)]
    assert "CFG204 site.banner: too long" in votes[0].error
    assert silent == ("host/web/mute",)


def _listener(react: object) -> object:
    from fluentpro.config.store import Listener

    return Listener("fleet", react)  # type: ignore[arg-type]
