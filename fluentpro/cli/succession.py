"""The secret key's part of `fluentpro rotate`: two steps, each gated by the whole fleet."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import click

from fluentpro.cli.arrival import Arrival, in_fleet, tell_late
from fluentpro.cli.report import end
from fluentpro.config.diagnostics import EX_CONFIG, EX_TEMPFAIL, EX_UNAVAILABLE
from fluentpro.fleet.channel import Channel
from fluentpro.fleet.errors import FleetError
from fluentpro.schema import Config
from fluentpro.vault.connection import Connection
from fluentpro.vault.reference import Pointer
from fluentpro.vault.successor import fallbacks, introduce, promote, retire

BLIND: Final = 3
"""Polls of a process that is alone after which a version must have arrived, where nobody can tell."""
USES: Final = "fallbacks"
"""The name of the counters in which processes say which fallback keys were needed."""


@dataclass(frozen=True, slots=True)
class Succession:
    """One key, its Vault and its fleet."""

    connection: Connection
    pointer: Pointer
    channel: Channel | None
    config: Config
    timeout: float
    force: bool
    as_json: bool

    def rotate(self) -> None:
        """Let every process accept a new key; once all do, let them sign with it."""
        if self.channel is None and not self.force:
            end(
                "this service has no fleet, so nobody can tell whether every process accepts the new key",
                "set fleet.enabled and redis.url; or --force, which waits between the steps instead",
                EX_CONFIG,
            )
        first = introduce(self.connection, self.pointer)
        accepted = self._arrive(first.version)
        if accepted.late and not self.force:
            self._stop(first.version, accepted)
        second = promote(self.connection, self.pointer)
        signing = self._arrive(second.version)
        self._done(first.version, second.version, accepted, signing)

    def retire(self, idle: float) -> None:
        """Accept earlier keys no more, if nobody needed one for `idle` s."""
        age = float(self.config.django.session_cookie_age)
        versions = fallbacks(self.connection, self.pointer, age)
        if not versions:
            self._say({"retired": []}, f"no earlier version of {self.pointer} is accepted: nothing to retire")
            return
        uses = self.channel.counted(USES) if self.channel else {}
        needed = {name: use for name, use in uses.items() if use[1] < idle and name != "next"}
        if self.channel is None and not self.force:
            message = "this service has no fleet, so nobody can tell whether an earlier key is needed"
            end(message, "set fleet.enabled and redis.url; or --force", EX_CONFIG)
        if needed and not self.force:
            for name, (number, ago) in sorted(needed.items()):
                click.echo(
                    f"fluentpro: the key of {name} was needed {number} times, last {ago:.0f} s ago", err=True
                )
            fix = "wait: what it signed ends with its session; or --force, which ends those sessions now"
            click.echo(f"        fix: {fix}", err=True)
            raise SystemExit(EX_TEMPFAIL)
        retire(self.connection, self.pointer, versions)
        named = ", ".join(str(number) for number in versions)
        self._say({"retired": list(versions)}, f"versions {named} of {self.pointer} are no longer accepted")

    def _arrive(self, version: int) -> Arrival:
        if self.channel is None:
            pause = BLIND * self.config.vault.poll_interval
            time.sleep(pause)  # nobody can tell us more
            return Arrival(0, (), pause)
        try:
            return in_fleet(self.channel, self.pointer.location, str(version), self.timeout)
        except FleetError as error:
            message = f"{error}: nobody can tell whether every process knows version {version}"
            end(message, "run the command again once Redis answers: it goes on from there", EX_UNAVAILABLE)

    def _stop(self, version: int, accepted: Arrival) -> None:
        many = f"{len(accepted.late)} of {accepted.total} processes do not accept the new key"
        click.echo(f"fluentpro: {many} after {self.timeout:g} s, so nobody signs with it yet", err=True)
        tell_late(accepted.late)
        fix = (
            "mend or end what lags, and run the command again: it goes on with "
            f"version {version}; or --force, which lets what lags refuse new sessions"
        )
        click.echo(f"        fix: {fix}", err=True)
        raise SystemExit(EX_TEMPFAIL)

    def _done(self, first: int, second: int, accepted: Arrival, signing: Arrival) -> None:
        facts = {
            "rotated": str(self.pointer),
            "versions": [first, second],
            "processes": signing.total - len(signing.late),
            "of": signing.total,
            "seconds": round(accepted.seconds + signing.seconds, 3),
        }
        whom = f"all {signing.total} processes sign with it" if signing.done else "written"
        said = (
            f"rotated {self.pointer} to version {second}; {whom} after {facts['seconds']:g} s, "
            "and accept what the old key signed"
        )
        self._say(facts, said)
        if signing.late:
            click.echo(f"fluentpro: {len(signing.late)} processes do not sign with it yet", err=True)
            tell_late(signing.late)
            raise SystemExit(EX_TEMPFAIL)

    def _say(self, facts: Mapping[str, object], text: str) -> None:
        click.echo(json.dumps(facts) if self.as_json else text)
