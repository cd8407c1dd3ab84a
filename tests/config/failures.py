"""Each way to fail, and every word that a person reads of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from textwrap import dedent

DEVELOPMENT = "settings/development.toml"
PRODUCTION = "settings/production.toml"
IN_PRODUCTION = {"ENV_FOR_DYNACONF": "production"}


@dataclass(frozen=True)
class Failure:
    """What is in the folder and in the environment, and the report below its headline."""

    name: str
    report: str
    files: Mapping[str, str | bytes | None] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    environment: str = "development"
    counts: str = "1 error"

    @property
    def expected(self) -> str:
        """The whole report."""
        head = f"fluentpro: configuration for {self.environment} is not valid: {self.counts}"
        return f"{head}\n\n{dedent(self.report).lstrip()}"


def in_file(name: str, content: str | bytes, report: str, counts: str = "1 error") -> Failure:
    """A failure of the development file alone."""
    return Failure(name, report, {DEVELOPMENT: content}, counts=counts)


def in_environ(name: str, environ: Mapping[str, str], report: str, counts: str = "1 error") -> Failure:
    """A failure of the environment alone."""
    return Failure(name, report, environ=environ, counts=counts)


VALUES = (
    in_file(
        "a value of the wrong type",
        '[site]\nbanner = ["a", "b"]\n',
        """
        CFG202  site.banner: ["a", "b"] is not a text in quotes
                settings/development.toml:2:10
              2 | banner = ["a", "b"]
                |          ^^^^^^^^^^
                fix: write a text in quotes
        """,
    ),
    in_file(
        "a number in quotes",
        '[database]\nport = "5433"\n',
        """
        CFG202  database.port: "5433" is not a whole number
                settings/development.toml:2:8
              2 | port = "5433"
                |        ^^^^^^
                fix: write 5433, without quotes
        """,
    ),
    in_file(
        "a date, a time, a number that is none",
        "[site]\nbanner = 2026-01-02\ndebug = 07:32:00\n"
        "[database]\nweight = nan\n[database.pool]\nratio = inf\n",
        """
        CFG202  site.banner: 2026-01-02 is not a text in quotes
                settings/development.toml:2:10
              2 | banner = 2026-01-02
                |          ^^^^^^^^^^
                fix: write a text in quotes

        CFG202  site.debug: 07:32:00 is not true or false
                settings/development.toml:3:9
              3 | debug = 07:32:00
                |         ^^^^^^^^
                fix: write true or false

        CFG204  database.weight: nan is not a finite number
                settings/development.toml:5:10
              5 | weight = nan
                |          ^^^
                fix: write a number

        CFG204  database.pool.ratio: inf is out of range (more than 0, less than 1)
                settings/development.toml:7:9
              7 | ratio = inf
                |         ^^^
                fix: set a number that is more than 0 and less than 1
        """,
        "4 errors",
    ),
    Failure(
        "a value out of range, which shadows a good one",
        """
        CFG204  database.port: 80000 is not a port (1 to 65535)
                settings/development.toml:2:8
              2 | port = 80000
                |        ^^^^^
                shadows 5432 from settings.toml:4:8
                fix: set a port between 1 and 65535
        """,
        {
            "settings.toml": '[keys]\nissuer = "me"\n[database]\nport = 5432\n',
            DEVELOPMENT: "[database]\nport = 80000\n",
        },
    ),
    in_file(
        "a number beyond all bounds",
        "[database]\nport = 0xffff_ffff_ffff_ffff_ffff\nreplica = 0\n[database.pool]\nleast = -1\n",
        """
        CFG204  database.port: 1208925819614629174706175 is not a port (1 to 65535)
                settings/development.toml:2:8
              2 | port = 0xffff_ffff_ffff_ffff_ffff
                |        ^^^^^^^^^^^^^^^^^^^^^^^^^^
                fix: set a port between 1 and 65535

        CFG204  database.replica: 0 is not a port (1 to 65535)
                settings/development.toml:3:11
              3 | replica = 0
                |           ^
                fix: set a port between 1 and 65535

        CFG204  database.pool.least: -1 is out of range (at least 0)
                settings/development.toml:5:9
              5 | least = -1
                |         ^^
                fix: set a number that is at least 0
        """,
        "3 errors",
    ),
    in_file(
        "not one of the choices",
        '[database]\nengine = "Postgres"\nlevel = 1.5\n',
        """
        CFG203  database.engine: "Postgres" is not one of the choices
                settings/development.toml:2:10
              2 | engine = "Postgres"
                |          ^^^^^^^^^^
                did you mean postgresql?
                fix: write "sqlite" or "postgresql"

        CFG202  database.level: 1.5 is not a whole number, "low" or "high"
                settings/development.toml:3:9
              3 | level = 1.5
                |         ^^^
                fix: write a whole number, "low" or "high"
        """,
        "2 errors",
    ),
    in_file(
        "not in the form that is wanted",
        '[site]\nmotto = "low"\n[database]\nurl = "nowhere"\n',
        """
        CFG205  site.motto: "low" does not have the form ^[A-Z]
                settings/development.toml:2:9
              2 | motto = "low"
                |         ^^^^^
                fix: `fluentpro explain site.motto` says what it means

        CFG205  database.url: "nowhere" is not a URL
                settings/development.toml:4:7
              4 | url = "nowhere"
                |       ^^^^^^^^^
                fix: write "scheme://host"
        """,
        "2 errors",
    ),
    in_file(
        "items of a list that goes over several lines",
        '[site]\nhosts = [\n    "a",  # fine\n    5,\n    { x = 1 },\n]\n[database]\nlimits = [1, "2"]\n',
        """
        CFG202  site.hosts: 5 (item 2) is not a text in quotes
                settings/development.toml:4:5
              4 |     5,
                |     ^
                fix: write a text in quotes

        CFG202  site.hosts: {…} (item 3) is not a text in quotes
                settings/development.toml:5:5
                fix: write a text in quotes

        CFG202  database.limits: "2" (item 2) is not a whole number
                settings/development.toml:8:14
              8 | limits = [1, "2"]
                |              ^^^
                fix: write a whole number
        """,
        "3 errors",
    ),
    in_file(
        "too long, a text and a list",
        f'[site]\nbanner = "{"x" * 1_000_000}"\nhosts = ["a", "b", "c", "d", "e", "f"]\n',
        f"""
        CFG204  site.banner: a text of 1000000 characters is too long: at most 40 characters
                settings/development.toml:2:10
              2 | banner = "{"x" * 89}…
                |          {"^" * 91}
                fix: give at most 40 characters

        CFG204  site.hosts: ["a", "b", "c", "d", "e", "f"] is too long: at most 5 items
                settings/development.toml:3:9
              3 | hosts = ["a", "b", "c", "d", "e", "f"]
                |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
                fix: give at most 5 items
        """,
        "2 errors",
    ),
    in_file(
        "a text of several lines",
        '[database]\nengine = """\nsqlite\n"""\n',
        r"""
        CFG203  database.engine: "sqlite\n" is not one of the choices
                settings/development.toml:2:10
              2 | engine = [[["
                |          ^^^
                did you mean sqlite?
                fix: write "sqlite" or "postgresql"
        """.replace("[[[", '""'),
    ),
    in_file(
        "a URL, without its password",
        '[database]\nurl = "redis://me:hunter2@db/0"\nhost = 5\nreplica = "redis://:hunter2@db"\n',
        """
        CFG202  database.host: 5 is not a text in quotes
                settings/development.toml:3:8
              3 | host = 5
                |        ^
                fix: write a text in quotes

        CFG202  database.replica: "redis://:********@db" is not a whole number
                settings/development.toml:4:11
              4 | replica = "redis://:********@db"
                |           ^^^^^^^^^^^^^^^^^^^^^^
                fix: write a whole number
        """,
        "2 errors",
    ),
    in_file(
        "a secret, which no message shows",
        '[database]\npassword = 12345678\n[keys]\nearlier = ["long enough", "hunter2"]\n',
        """
        CFG202  database.password: the value is not a text in quotes
                settings/development.toml:2:12
                fix: write a text in quotes

        CFG205  keys.earlier: the value (item 2) is too short (at least 8 characters)
                settings/development.toml:4:27
                fix: `fluentpro explain keys.earlier` says what it means
        """,
        "2 errors",
    ),
    Failure(
        "a secret that shadows another",
        """
        CFG205  database.password: the value is too short (at least 8 characters)
                env FLUENTPRO_DATABASE__PASSWORD
                shadows a value from settings/development.toml:2:12
                fix: `fluentpro explain database.password` says what it means
        """,
        {DEVELOPMENT: '[database]\npassword = "hunter2 and more"\n'},
        {"FLUENTPRO_DATABASE__PASSWORD": "hunter2"},
    ),
    Failure(
        "a missing value, where its table is known",
        """
        CFG201  keys.issuer: missing: it has no default
                settings.toml:3:2
                fix: set issuer in [keys] of settings/development.toml, or set FLUENTPRO_KEYS__ISSUER
        """,
        {"settings.toml": "# no issuer\n\n[keys]\n"},
    ),
    Failure(
        "a missing value without a table",
        """
        CFG201  keys.issuer: missing: it has no default
                fix: set issuer in [keys] of settings/production.toml, or set FLUENTPRO_KEYS__ISSUER
        """,
        {"settings.toml": "# nothing\n"},
        IN_PRODUCTION,
        "production",
    ),
)

KEYS = (
    in_file(
        "unknown keys",
        '[site]\nbaner = "x"\nDebug = true\nport = 5\nnonsense = 1\n',
        """
        CFG110  site.baner: unknown key
                settings/development.toml:2:1
                did you mean site.banner?

        CFG110  site.Debug: unknown key
                settings/development.toml:3:1
                did you mean site.debug?

        CFG110  site.port: unknown key
                settings/development.toml:4:1
                did you mean database.port?

        CFG110  site.nonsense: unknown key
                settings/development.toml:5:1
                fix: remove it; `fluentpro schema --markdown` lists every setting
        """,
        "4 errors",
    ),
    in_file(
        "a key outside its table",
        'motto = "x"\n',
        """
        CFG110  motto: unknown key
                settings/development.toml:1:1
                did you mean site.motto?
        """,
    ),
    in_file(
        "unknown tables",
        "[databse]\nport = 1\n[nonsense]\n[database.pol]\nmost = 1\n",
        """
        CFG111  databse: unknown table
                settings/development.toml:1:2
                did you mean database?

        CFG111  nonsense: unknown table
                settings/development.toml:3:2
                fix: remove it; `fluentpro schema --markdown` lists every table

        CFG111  database.pol: unknown table
                settings/development.toml:4:2
                did you mean database.pool?
        """,
        "3 errors",
    ),
    in_file(
        "environments as tables",
        "[default.site]\ndebug = true\n[production.site]\ndebug = false\n",
        """
        CFG111  default: unknown table
                settings/development.toml:1:2
                fix: move its tables to the top level of settings.toml, which counts in every environment

        CFG111  production: unknown table
                settings/development.toml:3:2
                fix: move its tables to the top level of settings/production.toml, the file of that environment
        """,  # noqa: E501 # the report is what it is
        "2 errors",
    ),
    in_file(
        "keys that need quotes, and would upset a terminal",
        '[site]\n"a b" = 1\n"c.d" = 2\n"e\\nf\\u001b[31m" = 3\n',
        r"""
        CFG110  site."a b": unknown key
                settings/development.toml:2:1
                fix: remove it; `fluentpro schema --markdown` lists every setting

        CFG110  site."c.d": unknown key
                settings/development.toml:3:1
                fix: remove it; `fluentpro schema --markdown` lists every setting

        CFG110  site."e\nf\u001b[31m": unknown key
                settings/development.toml:4:1
                fix: remove it; `fluentpro schema --markdown` lists every setting
        """,
        "3 errors",
    ),
    in_file(
        "dotted, quoted and escaped keys",
        'database."port" = 0\ndatabase.\'pool\'.most = -1\n"database"."p\\u006fol".ratio = 5\n',
        """
        CFG204  database.port: 0 is not a port (1 to 65535)
                settings/development.toml:1:19
              1 | database."port" = 0
                |                   ^
                fix: set a port between 1 and 65535

        CFG204  database.pool.most: -1 is out of range (at least 0)
                settings/development.toml:2:24
              2 | database.'pool'.most = -1
                |                        ^^
                fix: set a number that is at least 0

        CFG204  database.pool.ratio: 5 is out of range (more than 0, less than 1)
                settings/development.toml:3:32
              3 | "database"."p\\u006fol".ratio = 5
                |                                ^
                fix: set a number that is more than 0 and less than 1
        """,
        "3 errors",
    ),
    in_file(
        "inline tables",
        'database = { port = 0, pool = { most = "x" } }\n',
        """
        CFG204  database.port: 0 is not a port (1 to 65535)
                settings/development.toml:1:21
              1 | database = { port = 0, pool = { most = "x" } }
                |                     ^
                fix: set a port between 1 and 65535

        CFG202  database.pool.most: "x" is not a whole number
                settings/development.toml:1:40
              1 | database = { port = 0, pool = { most = "x" } }
                |                                        ^^^
                fix: write a whole number
        """,
        "2 errors",
    ),
    in_file(
        "a table where a value is wanted",
        "[database.port]\nnumber = 5\n[site]\nbanner = { text = 1 }\n",
        """
        CFG112  database.port: a table, where one value is wanted
                settings/development.toml:1:2
              1 | [database.port]
                |  ^^^^^^^^^^^^^
                fix: write port = <value> below [database]

        CFG112  site.banner: a table, where one value is wanted
                settings/development.toml:4:1
                fix: write banner = <value> below [site]
        """,
        "2 errors",
    ),
    in_file(
        "a value where a table is wanted",
        'database = "postgres://me:hunter2@db"\n[[site]]\nbanner = "x"\n',
        """
        CFG113  database: a value, where a table is wanted
                settings/development.toml:1:1
                fix: write [database], and its keys below

        CFG113  site: a list of tables, where one table is wanted
                settings/development.toml:2:3
                fix: write [site], in single brackets
        """,
        "2 errors",
    ),
)

FILES = (
    in_file(
        "tabs and wide characters in front of the value",
        "[site]\n\tdebug\t=\t'é漢字'\t# 漢\n[database]\npool = { ratio = 2.5, most = 3 } # 漢字\n",
        """
        CFG202  site.debug: "é漢字" is not true or false
                settings/development.toml:2:10
              2 | \tdebug\t=\t'é漢字'\t# 漢
                | \t     \t \t^^^^^^^
                fix: write true or false

        CFG204  database.pool.ratio: 2.5 is out of range (more than 0, less than 1)
                settings/development.toml:4:18
              4 | pool = { ratio = 2.5, most = 3 } # 漢字
                |                  ^^^
                fix: set a number that is more than 0 and less than 1
        """,
        "2 errors",
    ),
    in_file(
        "lines that end as they do on Windows",
        b"[site]\r\nbanner = 5\r\nnonsense = 1\r\n",
        """
        CFG202  site.banner: 5 is not a text in quotes
                settings/development.toml:2:10
              2 | banner = 5
                |          ^
                fix: write a text in quotes

        CFG110  site.nonsense: unknown key
                settings/development.toml:3:1
                fix: remove it; `fluentpro schema --markdown` lists every setting
        """,
        "2 errors",
    ),
    in_file(
        "a byte order mark",
        "\ufeff[site]\n",
        """
        CFG105  not valid TOML: it begins with a byte order mark
                settings/development.toml:1:1
                fix: save it as UTF-8 without a byte order mark
        """,
    ),
    in_file(
        "a byte that is not UTF-8",
        '# é\n[site]\nbanner = "'.encode() + b'caf\xe9"\n',
        """
        CFG104  not UTF-8: byte 0xe9 at offset 25
                settings/development.toml:3:14
                fix: save it as UTF-8
        """,
    ),
    in_file(
        "an empty file",
        " \n\n",
        """
        CFG106  the file is empty; it is not taken to mean 'all defaults'
                settings/development.toml
                fix: restore it, or write a comment into it if it shall change nothing
        """,
    ),
    Failure(
        "missing files",
        """
        CFG102  no such file in /project
                settings.toml
                fix: restore it, or set FLUENTPRO_ROOT to the folder that holds settings.toml

        CFG102  no such file in /project
                settings/development.toml
                fix: restore it, or set FLUENTPRO_ROOT to the folder that holds settings.toml
        """,
        {"settings.toml": None, DEVELOPMENT: None},
        counts="2 errors",
    ),
    Failure(
        "local files in production",
        """
        CFG108  a local file has no place in production
                settings.local.toml
                fix: remove settings.local.toml; what it sets comes from Vault or from FLUENTPRO_* variables

        CFG108  a local file has no place in production
                .secrets.local.toml
                fix: remove .secrets.local.toml; what it sets comes from Vault or from FLUENTPRO_* variables
        """,
        {"settings.local.toml": "[site\n", ".secrets.local.toml": '[keys]\nsigning = "x"\n'},
        IN_PRODUCTION,
        "production",
        "2 errors",
    ),
    in_file(
        "numbers and lists without end",
        f"[database]\nport = 0x{'f' * 5000}\n[site]\nhosts = {'[' * 50}{']' * 50}\n",
        f"""
        CFG105  database.port: a number too long, or lists too deep inside each other
                settings/development.toml:2:1
              2 | port = 0x{"f" * 90}…
                | ^^^^
                fix: write it shorter

        CFG105  site.hosts: a number too long, or lists too deep inside each other
                settings/development.toml:4:1
              4 | hosts = {"[" * 50}{"]" * 41}…
                | ^^^^^
                fix: write it shorter
        """,
        "2 errors",
    ),
    in_file(
        "a number of which nobody knows the line",
        f"[database]\nport = {'9' * 5000}\n",
        """
        CFG105  not valid TOML: a number too long, or lists or tables too deep inside each other
                settings/development.toml
                fix: write it shorter
        """,
    ),
)


def syntax(name: str, content: str, says: str, place: str, excerpt: str, fix: str) -> Failure:
    """A file that is not TOML."""
    shown = f"{excerpt}\n" if excerpt else ""
    where = f"        settings/development.toml:{place}\n"
    return in_file(name, content, f"CFG105  not valid TOML: {says}\n{where}{shown}        fix: {fix}\n")


def line(number: int, text: str, caret: str) -> str:
    """A line of a file, and what stands under it."""
    return f"{number:>7} | {text}\n        | {caret}"


QUOTE = "put a text into double quotes; true and false are written small"
CLOSE = 'close it with the quote it began with; a text of several lines stands between """ and """'
SYNTAX = (
    syntax(
        "a text without quotes",
        "[site]\nbanner = hello # x\n",
        "this is not a value",
        "2:10",
        line(2, "banner = hello # x", "         ^^^^^"),
        QUOTE,
    ),
    syntax(
        "no value at all",
        "[site]\nbanner =\n",
        "this is not a value",
        "2:9",
        line(2, "banner =", "        ^"),
        QUOTE,
    ),
    syntax(
        "a quote that is not closed",
        '[site]\nbanner = "hello\ndebug = true\n',
        "the text has no closing quote",
        "2:16",
        line(2, 'banner = "hello', "               ^"),
        CLOSE,
    ),
    syntax(
        "a long text that is not closed",
        '[site]\nbanner = """hello\n\n',
        "the text has no closing quotes",
        "2:10",
        line(2, 'banner = """hello', "         ^"),
        CLOSE,
    ),
    syntax(
        "a text in single quotes that is not closed",
        "[site]\nbanner = 'hello\nhosts = [1]\n",
        "the text has no closing quotes",
        "2:10",
        line(2, "banner = 'hello", "         ^"),
        CLOSE,
    ),
    syntax(
        "a text in single quotes that another one closes",
        "[site]\nbanner = 'hello\nmotto = 'Hm'\n",
        "the text has no closing quote",
        "2:16",
        line(2, "banner = 'hello", "               ^"),
        CLOSE,
    ),
    syntax(
        "an inline table that is not closed",
        "site = { banner = 'x',\n",
        "the inline table is not closed, or has no comma",
        "1:8",
        line(1, "site = { banner = 'x',", "       ^"),
        "add a } or a comma",
    ),
    syntax(
        "a list that is not closed",
        '[site]\nhosts = [\n  "a",\n',
        "the list is not closed, or has no comma between two items",
        "2:9",
        line(2, "hosts = [", "        ^"),
        "add a ] or a comma",
    ),
    syntax(
        "a comma that is missing",
        '[site]\nhosts = [\n  "a"\n  "b",\n]\n',
        "the list is not closed, or has no comma between two items",
        "4:3",
        line(4, '  "b",', "  ^"),
        "add a ] or a comma",
    ),
    syntax(
        "a colon, as in YAML",
        "[site]\nbanner: 'x'\n",
        "the key has no = behind it",
        "2:7",
        line(2, "banner: 'x'", "      ^"),
        "write key = value",
    ),
    syntax(
        "two values on a line",
        "[site]\ndebug = true banner = 'x'\n",
        "more follows where the value has ended",
        "2:14",
        line(2, "debug = true banner = 'x'", "             ^"),
        "begin a new line, or quote the whole text",
    ),
    syntax(
        "a table whose name is not closed",
        "[site\nbanner = 'x'\n",
        "the table's name is not closed",
        "1:6",
        line(1, "[site", "     ^"),
        "write [table], or [table.below]",
    ),
    syntax(
        "a path with backslashes",
        '[site]\nbanner = "C:\\Users"\n',
        "a backslash with a wrong code behind it",
        "2:15",
        line(2, 'banner = "C:\\Users"', "              ^"),
        "write two of them, or put the text into single quotes",
    ),
    syntax(
        "a control character",
        '[site]\nbanner = "\x1b[31m"\n',
        "a control character",
        "2:11",
        line(2, 'banner = "␛[31m"', "          ^"),
        "remove it, or write it as an escape such as \\u001b",
    ),
    syntax(
        "a conflict of git",
        "[site]\n<<<<<<< HEAD\n",
        "neither a key, nor a table, nor a comment",
        "2:1",
        "",
        "write key = value, or [table]",
    ),
    syntax(
        "a key that is given twice",
        "[site]\nbanner = 'x'\n\nbanner = 'y'\n",
        "site.banner stands on line 2 already",
        "4:1",
        line(4, "banner = 'y'", "^^^^^^"),
        "keep one of the two",
    ),
    syntax(
        "a table that is given twice",
        "[database.pool]\n[site]\n[database.pool]\n",
        "[database.pool] stands on line 1 already",
        "3:2",
        line(3, "[database.pool]", " ^^^^^^^^^^^^^"),
        "keep one of the two",
    ),
    syntax(
        "a secret that is given twice",
        "[keys]\nsigning = 'hunter2'\nsigning = 'hunter3'\n",
        "keys.signing stands on line 2 already",
        "3:1",
        "",
        "keep one of the two",
    ),
    syntax(
        "a secret without quotes",
        "[keys]\nsigning = hunter2\n",
        "this is not a value",
        "2:11",
        "",
        QUOTE,
    ),
    syntax(
        "a misspelt secret without quotes",
        "[keys]\nsining = hunter2\n",
        "this is not a value",
        "2:10",
        "",
        QUOTE,
    ),
    syntax(
        "a line below a secret that is open",
        '[keys]\nsigning = """\nhunter2 = 5\n""" x\n',
        "more follows where the value has ended",
        "4:5",
        "",
        "begin a new line, or quote the whole text",
    ),
)

VARIABLES = (
    in_environ(
        "variables of the wrong type",
        {
            "FLUENTPRO_DATABASE__PORT": "abc",
            "FLUENTPRO_DATABASE__REPLICA": "0",
            "FLUENTPRO_SITE__HOSTS": '["a"',
            "FLUENTPRO_SITE__DEBUG": "maybe",
            "FLUENTPRO_DATABASE__ENGINE": "sqlit",
        },
        r"""
        CFG202  site.hosts: "[\"a\"" is not a list
                env FLUENTPRO_SITE__HOSTS
                fix: set FLUENTPRO_SITE__HOSTS to items with commas between them, or a JSON array

        CFG202  site.debug: "maybe" is not true or false
                env FLUENTPRO_SITE__DEBUG
                fix: set FLUENTPRO_SITE__DEBUG to true or false

        CFG203  database.engine: "sqlit" is not one of the choices
                env FLUENTPRO_DATABASE__ENGINE
                did you mean sqlite?
                fix: set FLUENTPRO_DATABASE__ENGINE to "sqlite" or "postgresql"

        CFG202  database.port: "abc" is not a whole number
                env FLUENTPRO_DATABASE__PORT
                fix: set FLUENTPRO_DATABASE__PORT to a whole number

        CFG204  database.replica: 0 is not a port (1 to 65535)
                env FLUENTPRO_DATABASE__REPLICA
                fix: set FLUENTPRO_DATABASE__REPLICA to a port between 1 and 65535
        """,
        "5 errors",
    ),
    in_environ(
        "variables that no setting has",
        {
            "FLUENTPRO_DATABASE__PROT": "1",
            "FLUENTPRO_DATABASE_PORT": "1",
            "FLUENTPRO_site__banner_FILE": "x",
            "FLUENTPRO_NONSENSE": "1",
        },
        """
        CFG120  FLUENTPRO_DATABASE_PORT: no setting has this variable
                env FLUENTPRO_DATABASE_PORT
                did you mean FLUENTPRO_DATABASE__PORT?
                fix: unset FLUENTPRO_DATABASE_PORT

        CFG120  FLUENTPRO_DATABASE__PROT: no setting has this variable
                env FLUENTPRO_DATABASE__PROT
                did you mean FLUENTPRO_DATABASE__PORT?
                fix: unset FLUENTPRO_DATABASE__PROT

        CFG120  FLUENTPRO_NONSENSE: no setting has this variable
                env FLUENTPRO_NONSENSE
                fix: unset FLUENTPRO_NONSENSE; `fluentpro schema --env-template` lists them all

        CFG120  FLUENTPRO_site__banner_FILE: no setting has this variable
                env FLUENTPRO_site__banner_FILE
                did you mean FLUENTPRO_SITE__BANNER_FILE?
                fix: unset FLUENTPRO_site__banner_FILE
        """,
        "4 errors",
    ),
    in_environ(
        "a file that is not there, and a variable given twice",
        {
            "FLUENTPRO_KEYS__ISSUER_FILE": "/nowhere/issuer",
            "FLUENTPRO_SITE__BANNER": "x",
            "FLUENTPRO_SITE__BANNER_FILE": "",
        },
        """
        CFG122  site.banner: FLUENTPRO_SITE__BANNER and FLUENTPRO_SITE__BANNER_FILE both give it
                env FLUENTPRO_SITE__BANNER
                fix: unset FLUENTPRO_SITE__BANNER, or unset FLUENTPRO_SITE__BANNER_FILE

        CFG121  keys.issuer: FLUENTPRO_KEYS__ISSUER_FILE names /nowhere/issuer, and there is no such file
                env FLUENTPRO_KEYS__ISSUER_FILE
                fix: set FLUENTPRO_KEYS__ISSUER_FILE to the path of a file that holds the value, or unset it

        CFG121  site.banner: FLUENTPRO_SITE__BANNER_FILE is empty: it names no file
                env FLUENTPRO_SITE__BANNER_FILE
                fix: unset FLUENTPRO_SITE__BANNER_FILE
        """,
        "3 errors",
    ),
    in_environ(
        "a secret in the place of its file's name",
        {"FLUENTPRO_DATABASE__PASSWORD_FILE": "hunter2"},
        """
        CFG121  database.password: FLUENTPRO_DATABASE__PASSWORD_FILE names no file that exists; it is not shown, since it could be the secret
                env FLUENTPRO_DATABASE__PASSWORD_FILE
                fix: set FLUENTPRO_DATABASE__PASSWORD_FILE to the path of a file that holds the value, or unset it
        """,  # noqa: E501 # the report is what it is
    ),
    in_environ(
        "a folder in the place of a file",
        {"FLUENTPRO_DATABASE__PASSWORD_FILE": "/"},
        """
        CFG123  database.password: the file that FLUENTPRO_DATABASE__PASSWORD_FILE names can't be read: Is a directory
                env FLUENTPRO_DATABASE__PASSWORD_FILE
                fix: set FLUENTPRO_DATABASE__PASSWORD_FILE to the path of a file that this user may read
        """,  # noqa: E501 # the report is what it is
    ),
    in_environ(
        "bytes that are not UTF-8",
        {"FLUENTPRO_SITE__BANNER": "caf\udce9"},
        """
        CFG125  FLUENTPRO_SITE__BANNER: its value is not UTF-8
                env FLUENTPRO_SITE__BANNER
                fix: set FLUENTPRO_SITE__BANNER again as UTF-8
        """,
    ),
    in_environ(
        "variables of dynaconf",
        {"DYNACONF_SITE__BANNER": "x", "SETTINGS_FILE_FOR_DYNACONF": "x"},
        """
        CFG124  DYNACONF_SITE__BANNER: this variable would change how dynaconf reads; only ENV_FOR_DYNACONF is ours
                env DYNACONF_SITE__BANNER
                fix: unset DYNACONF_SITE__BANNER; to set a value, use FLUENTPRO_<TABLE>__<KEY>

        CFG124  SETTINGS_FILE_FOR_DYNACONF: this variable would change how dynaconf reads; only ENV_FOR_DYNACONF is ours
                env SETTINGS_FILE_FOR_DYNACONF
                fix: unset SETTINGS_FILE_FOR_DYNACONF; to set a value, use FLUENTPRO_<TABLE>__<KEY>
        """,  # noqa: E501 # the report is what it is
        "2 errors",
    ),
    Failure(
        "an unknown environment, and a variable that no setting has",
        """
        CFG101  ENV_FOR_DYNACONF: "Prod" is not an environment
                env ENV_FOR_DYNACONF
                did you mean production?
                fix: set ENV_FOR_DYNACONF to one of: development, testing, production

        CFG120  FLUENTPRO_NONSENSE: no setting has this variable
                env FLUENTPRO_NONSENSE
                fix: unset FLUENTPRO_NONSENSE; `fluentpro schema --env-template` lists them all
        """,
        environ={"ENV_FOR_DYNACONF": "Prod", "FLUENTPRO_NONSENSE": "1"},
        environment="Prod",
        counts="2 errors",
    ),
)

TOGETHER = (
    Failure(
        "everything at once, by file, in the order of its lines",
        """
        CFG903  database.password: missing, and the engine is postgresql
                settings/production.toml:1:2
                fix: set it

        CFG204  database.port: 80000 is not a port (1 to 65535)
                settings/production.toml:2:8
              2 | port = 80000
                |        ^^^^^
                shadows 5432 from settings.toml:4:8
                fix: set a port between 1 and 65535

        CFG901  site.debug: must be off in production
                settings/production.toml:5:9
              5 | debug = true
                |         ^^^^
                shadows false from settings.toml:6:9
                fix: set debug = false

        CFG110  site.tiemout: unknown key
                settings/production.toml:6:1
                fix: remove it; `fluentpro schema --markdown` lists every setting

        CFG300  warning: no Vault is enabled, so what refers to one is left unset: keys.earlier
                .secrets.toml
                fix: give what you need as FLUENTPRO_KEYS__EARLIER or FLUENTPRO_KEYS__EARLIER_FILE, and so on; or set vault.enabled
        """,  # noqa: E501 # the report is what it is
        {
            "settings.toml": '[keys]\nissuer = "me"\n[database]\nport = 5432\n[site]\ndebug = false\n',
            PRODUCTION: '[database]\nport = 80000\nengine = "postgresql"\n'
            "[site]\ndebug = true\ntiemout = 5\n",
            ".secrets.toml": '[keys]\nearlier = "@vault kv/small#earlier"\n',
        },
        IN_PRODUCTION,
        "production",
        "4 errors, 1 warning",
    ),
    in_file(
        "a rule over two settings",
        "[database.pool]\nleast = 9\n",
        """
        CFG902  database.pool.least: more than database.pool.most
                settings/development.toml:2:9
              2 | least = 9
                |         ^
                fix: lower it, or raise database.pool.most
        """,
    ),
    in_file(
        "a rule says nothing of what is in doubt",
        "[database.pool]\nleast = 9\nmots = 12\n",
        """
        CFG110  database.pool.mots: unknown key
                settings/development.toml:3:1
                did you mean database.pool.most?
        """,
    ),
)

FAILURES = (*VALUES, *KEYS, *FILES, *SYNTAX, *VARIABLES, *TOGETHER)
