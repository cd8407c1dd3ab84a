"""A secret is never shown: wherever it stands, whatever else is wrong."""

from __future__ import annotations

import json
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluentpro.config.errors import ConfigError
from fluentpro.config.snapshot import diff
from fluentpro.config.store import Store
from tests.config.world import GOOD, SMALL, World

HEAD, TAIL = "Zq7", "Xk9"
"""How each secret here begins and ends; neither may be seen."""
MIDDLES = (
    "canary",
    "",
    "a b",
    'a"b',
    "a'b",
    "a=b",
    "a#b",
    "a@b",
    "a:b",
    "a/b",
    "a\nb",
    "a]b",
    "a\\b",
    "é漢",
    "a,b",
)

POSITIONS = (
    '[keys]\nsigning = "{}"\n',
    "[keys]\nsigning = '{}'\n",
    '[keys]\n"signing" = "{}"\n',
    'keys.signing = "{}"\n',
    'keys = {{ signing = "{}", issuer = 5 }}\n',
    'keys = {{ issuer = 5, signing = "{}" }}\n',
    'keys = {{ sining = "{}", issuer = 5 }}\n',
    '[keys]\nsigning = """\n{}\n"""\nissuer = 5\n',
    "[keys]\nsigning = '''\n{}\nissuer = 5'''\nissuer = 5\n",
    '[keys]\nearlier = ["{}", 5]\n',
    '[keys]\nearlier = [\n  "long enough",\n  "{}",\n  5,\n]\n',
    '[keys]\nearlier = [["{}"], {{ a = "{}" }}]\n',
    '[keys]\nearlier = "{}"\n',
    '[keys]\nsigning = ["{}"]\n',
    '[keys]\nsigning = {{ value = "{}" }}\n',
    '[keys.signing]\nvalue = "{}"\n',
    '[[keys.signing]]\nvalue = "{}"\n',
    '[[keys]]\nsigning = "{}"\n',
    '[keys]\nsining = "{}"\n',
    '[keys]\nSIGNING = "{}"\n',
    '[kyes]\nsigning = "{}"\n',
    '[site]\nsigning = "{}"\n',
    'signing = "{}"\n',
    'keys = "{}"\n',
    'keys = ["{}"]\n',
    "[site]\ndebug = 5 # signing = {}\n",
    '[database]\npassword = "{}"\nport = 0\n',
    'database = {{ password = "{}", port = 0 }}\n',
    'database = {{ port = 0, pasword = "{}" }}\n',
    # Not TOML.
    '[keys]\nsigning = "{}\n',
    "[keys]\nsigning = {}\n",
    "[keys]\nsigning: {}\n",
    "[keys]\nsigning {}\n",
    '[keys]\nsining = "{}\n',
    "[keys]\nsining = {}\n",
    "[keys]\nSIGNING={}\n",
    '[keys]\nsigning = "{}" x\n',
    'keys = {{ signing = "{}"\n',
    'keys = {{ sining = "{}" debug = 5 }}\n',
    '[keys]\nsigning = """\n{}\n""" x\n',
    '[keys]\nsigning = """\n{}\n',
    '[keys]\nsining = """\n{}\ndebug = yes\n',
    '[keys]\nearlier = [\n  "{}"\n  "b"\n]\n',
    '[keys]\nearlier = [\n  ["{}"],\n  [{}],\n  yes\n]\n',
    '[keys]\nsigning = "{}"\nsigning = "{}"\n',
    '[keys] signing = "{}"\n',
    '{{"keys": {{"signing": "{}"}}}}\n',
    "export SIGNING={}\n",
    # Passwords of URLs.
    '[database]\nurl = "redis://:{}@db"\nport = "redis://me:{}@db"\n',
    "[database]\nurl = 'redis://me:{}@db/0'\nlimits = ['redis://me:{}@db']\n",
    'database = {{ url = "redis://:{}@db", port = 0 }}\n',
    'database = {{ port = 0, url = "redis://:{}@db" }}\n',
    '[database]\nulr = "redis://:{}@db"\n',
    '[database]\nengine = """redis://:{}@db"""\n',
    '[site]\nbanner = "https://me:{}@example.com/a/path/that/is/longer/than/it/may/be"\n',
    '[site]\nhosts = [5, "redis://:{}@db"]\n',
    '[site]\nmotto = "redis://:{}@db" # redis://:{}@db\n',
    '[database]\nurl = "redis://:{}@db\n',
    "[database]\nurl = redis://:{}@db\n",
)
"""Where a secret can stand in a file."""
NEARBY = ("", "[site]\ndebug = 5\n", "oops\n", "banner = yes\n", "[site]\n[site]\n", 'x = "\n', "]\n")
"""What else can be wrong."""
NAMES = ("settings.toml", "settings/development.toml", ".secrets.local.toml", "settings.local.toml")
VARIABLES = (
    ("FLUENTPRO_KEYS__SIGNING", "{}"),
    ("FLUENTPRO_KEYS__SIGNING_FILE", "{}"),
    ("FLUENTPRO_KEYS__SIGNING_FILE", "/{}"),
    ("FLUENTPRO_KEYS__EARLIER", '["{}", 5]'),
    ("FLUENTPRO_KEYS__EARLIER", "{}, x"),
    ("FLUENTPRO_KEYS__EARLIER_FILE", "{}"),
    ("FLUENTPRO_DATABASE__PASSWORD", "{}\udce9"),
    ("FLUENTPRO_DATABASE__URL", "redis://:{}@db"),
    ("FLUENTPRO_DATABASE__PORT", "redis://:{}@db"),
    ("FLUENTPRO_SITE__HOSTS", '["redis://:{}@db", 5]'),
    ("FLUENTPRO_KEYS__SINING", "{}"),
    ("FLUENTPRO_KEYS_SIGNING", "{}"),
    ("DYNACONF_KEYS__SIGNING", "{}"),
)
"""Where a secret can stand in the environment."""


@st.composite
def secrets(draw: st.DrawFn) -> str:
    return f"{HEAD}{draw(st.sampled_from(MIDDLES))}{draw(st.sampled_from(('', 'long enough')))}{TAIL}"


@st.composite
def files(draw: st.DrawFn) -> dict[str, str]:
    """Some files, each with secrets somewhere and something else wrong."""
    made: dict[str, str] = {}
    for name in draw(st.sets(st.sampled_from(NAMES), max_size=2)):
        texts = draw(st.lists(st.sampled_from(POSITIONS), min_size=1, max_size=2))
        text = draw(st.sampled_from(NEARBY)).join(one.replace("{}", draw(secrets())) for one in texts)
        made[name] = text.replace("{{", "{").replace("}}", "}") + draw(st.sampled_from(NEARBY))
    return made


@st.composite
def variables(draw: st.DrawFn) -> dict[str, str]:
    chosen = draw(st.lists(st.sampled_from(VARIABLES), max_size=3))
    return {name: text.replace("{}", draw(secrets())) for name, text in chosen}


def shown(world: World, environ: Mapping[str, str]) -> Iterator[str]:
    """Everything that anybody could print of a configuration."""
    sources = world.sources(environ)
    candidate = sources.load()
    yield from (repr(sources), repr(candidate), repr(candidate.findings))
    for layer in candidate.layers:
        yield repr(layer)
        yield from (repr(candidate.winner(path)) for path in layer.values)
    store = Store(lambda: candidate, SMALL.validate)
    try:
        snapshot = store.start()
    except ConfigError as error:
        yield from (str(error), repr(error))
        yield json.dumps([item.as_dict() for item in error.findings], ensure_ascii=False)
        yield from traceback.format_exception(error)
        error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next  # this test's own frame
        yield from traceback.TracebackException.from_exception(error, capture_locals=True).format()
        return
    yield from (repr(snapshot), repr(snapshot.config), str(snapshot.config), snapshot.digest)
    yield from (repr(store.status), repr(store.reload()))
    store.load = sources.load
    world.write({name: GOOD.get(name, "# nothing\n") for name in NAMES})
    Path(sources.root / NAMES[0]).write_text('[keys]\nissuer = "another"\nsigning = "another secret"\n')
    outcome = store.reload()
    yield from (repr(outcome), repr(outcome.changes), repr(outcome.error), repr(store))
    yield repr(diff(snapshot.config, outcome.snapshot.config))


def leaks(written: Mapping[str, str], environ: Mapping[str, str]) -> list[str]:
    """The texts that show a part of a secret."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.write(GOOD)
        world.write(written)
        return [text for text in shown(world, environ) if HEAD in text or TAIL in text]


@given(files(), variables())
def test_no_text_shows_a_part_of_a_secret(written: Mapping[str, str], environ: Mapping[str, str]) -> None:
    assert leaks(written, environ) == []


@pytest.mark.parametrize("position", POSITIONS)
def test_no_position_shows_a_part_of_a_secret(position: str) -> None:
    for middle in MIDDLES[:6]:
        text = position.replace("{}", f"{HEAD}{middle}{TAIL}").replace("{{", "{").replace("}}", "}")
        assert leaks({"settings/development.toml": text}, {}) == []


@pytest.mark.parametrize(("name", "template"), VARIABLES)
def test_no_variable_shows_a_part_of_a_secret(name: str, template: str) -> None:
    for middle in MIDDLES:
        assert leaks({}, {name: template.replace("{}", f"{HEAD}{middle}{TAIL}")}) == []
