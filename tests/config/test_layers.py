"""All sources -> ordered layers -> one candidate."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluentpro.config.fields import Table, setting, settings_of
from fluentpro.config.layers import Sources
from fluentpro.config.references import Resolution
from fluentpro.config.snapshot import Candidate, Layer
from fluentpro.config.toml import parse
from tests.config.world import ENVIRONMENTS, GOOD, Small, World, values

SECOND = (".secrets.toml", ".stack/settings.toml", "settings.local.toml", ".secrets.local.toml")
ORDER = ("settings.toml", "settings/development.toml", *SECOND)


def at(table: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        table = table[name]
    return table


def test_a_higher_file_wins_and_a_variable_wins_over_all(world: World) -> None:
    path, environ = ("database", "port"), {"FLUENTPRO_DATABASE__PORT": "9"}
    used = tuple(name for name in ORDER if name != ".secrets.toml")  # no backend: nobody reads references
    world.write({".secrets.toml": "[database]\nport = 1\n"})
    for number, name in enumerate(used, 1):
        world.write({name: f"{GOOD.get(name, '')}\n[database]\nport = {number}\n"})
        assert world.snapshot().config.database.port == number
        winner = world.load().winner(path)
        assert winner
        assert winner.origin.source == name
        assert [origin.source for _, origin in winner.shadows] == list(reversed(used[: number - 1]))
    assert world.snapshot(environ).config.database.port == 9


def test_tables_merge_by_key_and_lists_replace(world: World) -> None:
    world.write(
        {
            "settings.toml": '[keys]\nissuer = "me"\n[site]\nhosts = ["a", "b"]\nbanner = "x"\n'
            "[database.pool]\nmost = 5\nratio = 0.1\n",
            "settings/development.toml": '[site]\nhosts = ["c"]\n[database.pool]\nmost = 6\n',
        }
    )
    config = world.snapshot().config
    assert (config.site.hosts, config.site.banner) == (("c",), "x")
    assert (config.database.pool.most, config.database.pool.ratio, config.database.pool.least) == (6, 0.1, 0)


@pytest.mark.parametrize(
    ("environment", "names"),
    [
        ("", ORDER),
        ("testing", ("settings.toml", "settings/testing.toml", SECOND[0], *SECOND[2:])),
        ("production", ("settings.toml", "settings/production.toml", SECOND[0], *SECOND[2:])),
    ],
)
def test_an_environment_has_files_of_its_own(world: World, environment: str, names: tuple[str, ...]) -> None:
    sources = world.sources({"ENV_FOR_DYNACONF": environment})
    assert sources.names == names
    assert sources.paths() == tuple(world.root / name for name in names)
    assert sources.environment == (environment or "development")


def test_production_reads_its_own_file_and_no_other(world: World) -> None:
    world.write({"settings/development.toml": "[[[", "settings/production.toml": '[site]\nbanner = "p"\n'})
    assert world.snapshot({"ENV_FOR_DYNACONF": "production"}).config.site.banner == "p"


def test_references_are_read_in_guarded_environments_alone(world: World) -> None:
    world.write({".secrets.toml": '[database]\npassword = "@vault kv/small#password"\n'})
    assert world.findings() == ()
    (warning,) = world.findings({"ENV_FOR_DYNACONF": "production"})
    assert (warning.code, str(warning.origin)) == ("CFG300", ".secrets.toml")


def test_a_reference_that_is_shadowed_is_never_resolved(world: World) -> None:
    world.write({".secrets.toml": '[database]\npassword = "@vault a#b"\n[keys]\nearlier = "@vault a#c"\n'})
    asked: list[str] = []

    def resolve(references: Any, raw: Mapping[str, Any], environment: str) -> Resolution:
        asked.extend(f"{item.setting.key} {item.text} {item.origin} {environment}" for item in references)
        path, origins = ("keys", "earlier"), world.load().layers[0].origins
        return Resolution(Layer("backend", {path: ("one that is long",)}, origins))

    environ = {"ENV_FOR_DYNACONF": "production", "FLUENTPRO_DATABASE__PASSWORD": "from a variable"}
    candidate = replace(world.sources(environ), resolve=resolve).load()
    assert asked == ["keys.earlier @vault a#c .secrets.toml:4:11 production"]
    assert candidate.values["keys"]["earlier"] == ("one that is long",)
    assert candidate.values["database"]["password"] == "from a variable"
    assert candidate.guarded


def test_a_reference_that_another_file_shadows_is_never_resolved(world: World) -> None:
    world.write(
        {
            "settings.toml": '[keys]\nissuer = "me"\n[database]\npassword = "@vault a#b"\n',
            "settings/development.toml": '[database]\npassword = "one that is long"\n',
        }
    )
    candidate = world.load()
    assert (candidate.values["database"]["password"], candidate.findings) == ("one that is long", ())


def test_a_text_of_a_variable_is_data_even_if_it_looks_like_a_reference(world: World) -> None:
    world.write({".secrets.toml": '[database]\npassword = "@vault a#b"\n'})
    reference = "@vault kv/others#password"
    environ = {"ENV_FOR_DYNACONF": "production", "FLUENTPRO_DATABASE__PASSWORD": reference}
    candidate = world.load(environ)
    assert candidate.values["database"]["password"] == reference
    assert candidate.findings == ()


@pytest.mark.parametrize(
    "token",
    ["@format {this}", "@jinja {{ 1 }}", "@read_file /etc/hostname", "@int 5", "@merge 1", "@del", "@reset x",
     "@none", "@bool true", "@json {}", "@get SITE", "@insert 0 x", "@merge_unique x", "dynaconf_merge"],
)  # fmt: skip
def test_a_text_is_data_whatever_dynaconf_would_read_in_it(world: World, token: str) -> None:
    world.write(
        {
            "settings.toml": '[keys]\nissuer = "me"\n[site]\nhosts = ["a"]\n',
            "settings/development.toml": f'[site]\nbanner = "{token}"\nhosts = ["{token}", "b"]\n',
        }
    )
    assert world.snapshot().config.site.banner == token
    assert world.snapshot().config.site.hosts == (token, "b")
    assert world.snapshot({"FLUENTPRO_SITE__BANNER": token}).config.site.banner == token


class Words(Table):
    """Names that mean something to dynaconf, to a dictionary or to a model."""

    items: int = setting(0, meaning="A number.")
    get: int = setting(0, meaning="A number.")
    dynaconf_merge: int = setting(0, meaning="A number.")
    dynaconf_merge_unique: tuple[int, ...] = setting((), meaning="Some numbers.")
    as_dict: int = setting(0, meaning="A number.")
    current_env: int = setting(0, meaning="A number.")


class Update(Words):
    """A table below a table."""

    keys: Words = Words()


class Odd(Table):
    """Tables with such names."""

    items: Words = Words()
    keys: Update = Update()
    update: Update = Update()
    load_dotenv: Words = Words()
    dynaconf_merge: Words = Words()
    environments: Words = Words()
    env_for_dynaconf: Words = Words()
    dynaboxify: Words = Words()
    settings: Update = Update()
    default: Words = Words()
    reload: Words = Words()


PATHS = tuple(settings_of(Odd))
NUMBERS = st.integers(0, 3)


@st.composite
def odd_layers(draw: st.DrawFn) -> tuple[str, ...]:
    """Some files of the odd schema; many of their settings are given again and again."""
    paths = draw(st.lists(st.sampled_from(PATHS), min_size=1, max_size=6, unique=True))
    texts = []
    for _ in range(draw(st.integers(1, 4))):
        given = draw(st.lists(st.sampled_from(paths), unique=True))
        lines = (f"{'.'.join(path)} = {written(draw, path)}" for path in given)
        texts.append("\n".join((*lines, "# end")))
    return tuple(texts)


def written(draw: st.DrawFn, path: tuple[str, ...]) -> str:
    if path[-1] == "dynaconf_merge_unique":
        return str(draw(st.lists(NUMBERS, max_size=3)))
    return str(draw(NUMBERS))


@given(odd_layers())
def test_dynaconf_agrees_with_the_origins_on_every_winner(texts: tuple[str, ...]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in zip(ORDER, (*texts, *[None] * 4), strict=False):
            if text is not None:
                (Path(folder) / name).parent.mkdir(exist_ok=True)
                (Path(folder) / name).write_text(text)
        candidate = Sources(Path(folder), {}, Odd, ENVIRONMENTS).load()
    assert {item.code for item in candidate.findings} <= {"CFG102"}
    given = {path for layer in candidate.layers for path in layer.values}
    for path in given:
        winner = candidate.winner(path)
        assert winner
        assert at(candidate.values, path) == winner.value
        assert type(at(candidate.values, path)) is type(winner.value)
        assert winner.origin.line
    assert set(leaves(candidate.values)) == given
    assert Odd.model_validate(candidate.values)


def leaves(table: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """The paths of every value in nested tables."""
    return {
        path
        for name, value in table.items()
        for path in (leaves(value, (*prefix, name)) if isinstance(value, dict) else {(*prefix, name)})
    }


def test_every_effective_value_has_an_origin(world: World) -> None:
    world.write(
        {
            "settings/development.toml": 'database = { port = 1, pool.most = 2 }\nsite."banner" = "x"\n'
            '[keys]\nearlier = [\n  "long enough",\n]\n',
        }
    )
    candidate = world.load({"FLUENTPRO_SITE__DEBUG": "on"})
    origins = {
        ".".join(path): str(winner.origin)
        for path in settings_of(Small)
        if (winner := candidate.winner(path))
    }
    assert origins == {
        "site.banner": "settings/development.toml:2:17",
        "site.debug": "env FLUENTPRO_SITE__DEBUG",
        "database.port": "settings/development.toml:1:21",
        "database.pool.most": "settings/development.toml:1:36",
        "keys.signing": "env FLUENTPRO_KEYS__SIGNING",
        "keys.earlier": "settings/development.toml:4:11",
        "keys.issuer": "settings.toml:2:10",
    }


def test_an_item_stands_on_its_own_line_or_where_the_list_comes_from(world: World) -> None:
    world.write({"settings/development.toml": '[site]\nhosts = [\n  "a",\n  "b",\n]\n'})
    assert str(world.load().item(("site", "hosts"), 1)) == "settings/development.toml:4:3"
    environ = {"FLUENTPRO_SITE__HOSTS": "a, b"}
    assert str(world.load(environ).item(("site", "hosts"), 1)) == "env FLUENTPRO_SITE__HOSTS"


def test_the_origin_of_a_key_that_the_environment_does_not_give(world: World) -> None:
    layer = world.load().layers[-1]
    assert (layer.name, str(layer.origins.value(("site", "debug")))) == ("environment", "environment")


def test_files_that_keep_changing_are_not_taken_for_a_configuration(world: World) -> None:
    class Changing(type(Path())):  # type: ignore[misc]  # the concrete class is another on each system
        """A folder whose files are written whenever they are read."""

        def read_bytes(self) -> bytes:
            content: bytes = super().read_bytes()
            self.write_bytes(content + b"#")
            return content

    candidate = replace(world.sources(), root=Changing(world.root)).load()
    (finding,) = (item for item in candidate.findings if item.code == "CFG107")
    assert finding.message == "the files changed each time they were read"


def test_a_candidate_is_made_anew_each_time_and_shares_nothing(world: World) -> None:
    world.write({"settings/development.toml": '[site]\nhosts = ["a"]\n'})
    one, other = world.load(), world.load()
    assert one.values == other.values
    one.values["site"]["hosts"] = ("changed",)
    assert other.values["site"]["hosts"] == ("a",)


def test_variables_of_dynaconf_change_nothing_and_are_refused(world: World) -> None:
    """dynaconf reads the real environment of its process, so this takes one."""
    world.write({"settings/development.toml": '[site]\nbanner = "mine"\nhosts = ["a"]\n'})
    world.write({"other.toml": '[site]\nbanner = "other"\n', "settings.toml": '[keys]\nissuer = "me"\n'})
    environ = {
        "SETTINGS_FILE_FOR_DYNACONF": str(world.root / "other.toml"),
        "SETTINGS_MODULE_FOR_DYNACONF": str(world.root / "other.toml"),
        "INCLUDES_FOR_DYNACONF": str(world.root / "other.toml"),
        "PRELOAD_FOR_DYNACONF": str(world.root / "other.toml"),
        "MERGE_ENABLED_FOR_DYNACONF": "true",
        "DYNABOXIFY_FOR_DYNACONF": "true",
        "AUTO_CAST_FOR_DYNACONF": "true",
        "LOADERS_FOR_DYNACONF": "['dynaconf.loaders.env_loader']",
        "CORE_LOADERS_FOR_DYNACONF": "['TOML']",
        "LOWERCASE_READ_FOR_DYNACONF": "false",
        "DYNACONF_SETTINGS": "@merge {site={banner='other'}}",
        "DYNACONF_SITE__BANNER": "other",
        "ENVVAR_PREFIX_FOR_DYNACONF": "FLUENTPRO",
    }
    program = (
        "import os, pathlib\n"
        "from tests.config.world import World, SIGNING\n"
        f"candidate = World(pathlib.Path({str(world.root)!r})).load(os.environ)\n"
        "print(candidate.values, sorted({item.code for item in candidate.findings}))\n"
    )
    root = Path(__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", program], env=environ, cwd=root, capture_output=True, text=True, check=False
    )
    assert result.stderr == ""
    assert result.stdout == (
        "{'keys': {'issuer': 'me', 'signing': '0123456789abcdef'}, "
        "'site': {'banner': 'mine', 'hosts': ('a',)}} ['CFG124']\n"
    )


def test_a_file_of_dynaconf_beside_the_settings_is_not_run(world: World) -> None:
    world.write(
        {"dynaconf_hooks.py": "raise SystemExit(1)", "settings/dynaconf_hooks.py": "raise SystemExit(1)"}
    )
    world.write({"settings/development.local.toml": '[site]\nbanner = "twin"\n', ".env": "FLUENTPRO_X=1\n"})
    assert world.snapshot().config.site.banner == "Hello"


@pytest.mark.parametrize("key", ["dynaconf_include", "dynaconf_merge", "DYNACONF_INCLUDE"])
def test_a_key_of_dynaconf_is_an_unknown_key(world: World, key: str) -> None:
    world.write({"settings/development.toml": f'{key} = ["other.toml"]\n[site]\n{key} = true\n'})
    assert [(item.code, item.key) for item in world.findings()] == [
        ("CFG110", key),
        ("CFG110", f"site.{key}"),
    ]


def test_a_layer_holds_what_the_schema_knows_and_nothing_else() -> None:
    layer, findings = parse("f.toml", b"[site]\nbanner = 'x'\nother = 1\n[database]\nport = 5\n", Small)
    assert layer
    assert layer.values == {("site", "banner"): "x", ("database", "port"): 5}
    assert [item.key for item in findings] == ["site.other"]
    assert repr(layer) == "Layer(name='f.toml')"


def test_what_a_valid_candidate_gives_is_what_its_files_say(world: World) -> None:
    world.write({"settings/development.toml": '[site]\nbanner = "x"\n[database]\nweight = 3\n'})
    config = values(world.snapshot())
    assert config["site"]["banner"] == "x"
    assert config["database"]["weight"] == 3.0
    assert isinstance(world.load(), Candidate)
