from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bridge.config import ConfigurationFaults, Fault, load
from bridge.protocol.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

SMALLEST = (Path(__file__).parent.parent / "data/smallest.yaml").read_text()
TLS = Path(__file__).parent.parent / "data/tls"
ENVIRON = {
    "HUMHUB_JWT": "humhub-secret-0123456789abcdef0123456789",
    "DOCS_JWT": "docs-secret-0123456789abcdef0123456789",
}


def _at_legs(line: str) -> str:
    return SMALLEST.replace("sites:\n", f"  {line}\nsites:\n")


def _at_browser(more: str) -> str:
    return SMALLEST.replace('url: "http://office.test"', f'url: "http://office.test", {more}')


def _at_site(line: str) -> str:
    return SMALLEST.replace("  - name: social\n", f"  - name: social\n    {line}\n")


def _at_docs(line: str) -> str:
    return SMALLEST.replace("docs:\n", f"docs:\n  {line}\n", 1)


# What is wrong, the text, and the fault's place, line, message and remedy.
FAULTS: list[tuple[str, str, str, int | None, str, str]] = [
    # names
    ("an unknown section", SMALLEST + "limit: {}\n", "limit", 11, "the name limit is not known", "limits?"),
    ("an unknown name", SMALLEST + "limits: {bodies: 1MiB}\n", "limits.bodies", 11, "not known", "Did you mean body?"),
    ("a name with a dash", SMALLEST + "saves: {max-size: 1GiB}\n", "saves.max-size", 11, "not known", "max_size?"),
    ("a name of elsewhere", _at_docs("sweep: 5m"), "docs.sweep", 9, "not known", "It belongs below saves."),
    ("a section of a site", SMALLEST + "rest: {}\n", "rest", 11, "not known", "It belongs below sites."),
    ("a name like one of elsewhere", _at_site("host: a.test"), "sites[0].host", 7, "not known", "Did you mean hosts?"),
    ("a name like none", SMALLEST + "zzz: 1\n", "zzz", 11, "not known", "Known here: secret, legs"),
    ("a name with a dot", SMALLEST + '"a.b": 1\n', '"a.b"', 11, "not known", "Known here"),
    ("a name that is a number", SMALLEST + "5: 1\n", "5", 11, "the name 5 is not known", "Known here"),
    ("an unknown name of a ring", _at_docs("jwt: {heder: X}"), "docs.jwt.heder", 9, "not known", "header?"),
    (
        "an unknown name of an upstream",
        SMALLEST.replace('"http://humhub.test"', '{url: "http://h.test", idel: 1s}'),
        "sites[0].upstream.idel",
        7,
        "not known",
        "Did you mean idle?",
    ),
    ("a name that stands twice", SMALLEST + "workers: 1\nworkers: 2\n", "workers", 12, "lines 11 and 12", "Keep one"),
    ("no legs", SMALLEST[SMALLEST.index("sites:") :], "legs", None, "legs is missing", "browser"),
    (
        "no leg",
        SMALLEST.replace("  docs: {listen", "  admin: {listen").replace(', url: "http://bridge.docs.test"', ""),
        "legs.docs",
        1,
        "docs is missing",
        "listen, url",
    ),
    (
        "no url",
        _at_legs("").replace(', url: "http://bridge.docs.test"', ""),
        "legs.docs.url",
        3,
        "missing",
        "such as url",
    ),
    (
        "no upstream",
        SMALLEST.replace('    upstream: "http://humhub.test"\n', ""),
        "sites[0].upstream",
        6,
        "missing",
        "Add",
    ),
    (
        "no sites",
        SMALLEST.replace("sites:\n", "sites: []\nlog:\n")
        .replace("  - name: social\n", "")
        .replace('    upstream: "http://humhub.test"\n', ""),
        "sites",
        5,
        "there is no HumHub",
        "Add one entry",
    ),
    # shapes
    ("a list instead of names", SMALLEST + "log: []\n", "log", 11, "names and values are expected", "level, format"),
    (
        "names instead of a list",
        SMALLEST.replace("sites:\n  - name", "sites:\n    name"),
        "sites",
        6,
        "a list is expected",
        "- ",
    ),
    ("a text instead of a list", _at_site("hosts: social.test"), "sites[0].hosts", 7, "a list is expected", "brackets"),
    ("a list instead of a text", _at_site("base_path: [a]"), "sites[0].base_path", 7, "not a list", "quotes"),
    ("a number instead of a text", _at_site("jwt: {header: 5}"), "sites[0].jwt.header", 7, "not 5", "in quotes"),
    ("nothing instead of a text", SMALLEST.replace("name: social", "name:"), "sites[0].name", 6, "missing", "social"),
    # single values
    (
        "a name with capitals",
        SMALLEST.replace("name: social", "name: Our Hub"),
        "sites[0].name",
        6,
        "can't be",
        '"our-hub"',
    ),
    (
        "an address without scheme",
        SMALLEST.replace("http://humhub.test", "humhub.test:80"),
        "sites[0].upstream",
        7,
        "no http address",
        '"http://humhub.test:80"',
    ),
    (
        "an address of something else",
        SMALLEST.replace("http://humhub.test", "ftp://h.test"),
        "sites[0].upstream",
        7,
        "no http address",
        '"http://h.test"',
    ),
    (
        "an address with a query",
        SMALLEST.replace("http://office.test", "http://office.test/?a=1"),
        "legs.browser.url",
        2,
        "query",
        '"http://office.test/"',
    ),
    (
        "an address with a user",
        SMALLEST.replace("http://office.test", "http://u:p@office.test"),
        "legs.browser.url",
        2,
        "user name",
        "Leave them out",
    ),
    (
        "an address with port 0",
        SMALLEST.replace("http://office.test", "http://office.test:0"),
        "legs.browser.url",
        2,
        "port",
        "65535",
    ),
    (
        "an address with a port beyond",
        SMALLEST.replace("http://office.test", "http://office.test:99999"),
        "legs.browser.url",
        2,
        "no address",
        "port",
    ),
    (
        "a listener without port",
        SMALLEST.replace("127.0.0.1:8080", "127.0.0.1"),
        "legs.browser.listen",
        2,
        "no port",
        ":8080",
    ),
    (
        "a listener without host",
        SMALLEST.replace("127.0.0.1:8080", ":8080"),
        "legs.browser.listen",
        2,
        "no address",
        ":8080",
    ),
    (
        "a listener with a port beyond",
        SMALLEST.replace("127.0.0.1:8080", "127.0.0.1:70000"),
        "legs.browser.listen",
        2,
        "no port",
        ":8080",
    ),
    (
        "a listener in IPv6 without brackets",
        SMALLEST.replace("127.0.0.1:8080", "::1:8080"),
        "legs.browser.listen",
        2,
        "ambiguous",
        '"[::1]:8080"',
    ),
    (
        "a network with an address in it",
        _at_browser('allow: ["10.1.2.3/8"]'),
        "legs.browser.allow[0]",
        2,
        "inside a network",
        '"10.0.0.0/8"',
    ),
    ("a network that is none", _at_browser("allow: [everyone]"), "legs.browser.allow[0]", 2, "no network", "CIDR"),
    (
        "a host that is an address",
        _at_site("hosts: ['https://a.test/hub']"),
        "sites[0].hosts[0]",
        7,
        "not a host",
        '"a.test"',
    ),
    ("a host with a space", _at_site("hosts: ['a b']"), "sites[0].hosts[0]", 7, "no host name", "social.example.com"),
    ("a path without slash", _at_docs("path: ds/"), "docs.path", 9, "can't be", '"/ds"'),
    ("a path with dots", _at_docs("path: /ds/.."), "docs.path", 9, "can't be", '"/ds"'),
    (
        "a base path with a slash at its end",
        _at_site("base_path: /hub/"),
        "sites[0].base_path",
        7,
        "can't be",
        '"/hub"',
    ),
    ("an unknown mode", _at_site("mode: proxy"), "sites[0].mode", 7, "proxy is not known", "'relay' or 'connector'"),
    ("a header with a space", _at_site("jwt: {header: a b}"), "sites[0].jwt.header", 7, "header's name", "letters"),
    ("a duration without unit", SMALLEST + "saves: {keep: 60}\n", "saves.keep", 11, "no duration", '"60s"'),
    ("a duration in words", SMALLEST + "saves: {keep: a day}\n", "saves.keep", 11, "a day is no duration", '"24h"'),
    ("a negative duration", SMALLEST + "saves: {keep: -1s}\n", "saves.keep", 11, "no duration", '"60s"'),
    ("a size of nothing", SMALLEST + "limits: {page: 0}\n", "limits.page", 11, "no size", '"64KiB"'),
    ("a size in words", SMALLEST + "limits: {page: huge}\n", "limits.page", 11, "no size", '"64KiB"'),
    ("no time for a head", SMALLEST + "limits: {head: 0}\n", "limits.head", 11, "leaves no time", '"60s"'),
    (
        "no connections",
        SMALLEST + "limits: {connections: 0}\n",
        "limits.connections",
        11,
        "no whole number",
        "such as 1",
    ),
    (
        "less memory than one message",
        SMALLEST + "limits: {memory: 64MiB}\n",
        "limits.memory",
        11,
        "less than limits.websocket_message",
        "twice",
    ),
    (
        "a limit with its name misspelt",
        SMALLEST + "limits: {keepalive: 75s}\n",
        "limits.keepalive",
        11,
        "not known",
        "Did you mean keep_alive?",
    ),
    ("no workers", SMALLEST + "workers: 0\n", "workers", 11, "no whole number", "such as 1"),
    ("half a worker", SMALLEST + "workers: 1.5\n", "workers", 11, "no whole number", "such as 1"),
    ("a yes for workers", SMALLEST + "workers: true\n", "workers", 11, "no whole number", "such as 1"),
    ("a store of another kind", SMALLEST + "store: {url: mysql://a}\n", "store.url", 11, "no store", "sqlite"),
    ("a store without path", SMALLEST + "store: {url: 'sqlite:///'}\n", "store.url", 11, "no path", "sqlite"),
    (
        "a source that is a name",
        SMALLEST.replace('"http://humhub.test"', '{url: "http://h.test", source_address: eth0}'),
        "sites[0].upstream.source_address",
        7,
        "no IP address",
        "10.0.1.1",
    ),
    # references
    (
        "an unset variable",
        SMALLEST.replace("http://humhub.test", "http://${NOPE}"),
        "sites[0].upstream",
        7,
        "NOPE is not set",
        "Set NOPE",
    ),
    (
        "a variable without name",
        _at_site('base_path: "/${}"'),
        "sites[0].base_path",
        7,
        "no environment variable",
        "letters",
    ),
    (
        "an empty secret",
        _at_site('jwt: {secrets: ["${EMPTY}"]}'),
        "sites[0].jwt.secrets[0]",
        7,
        "EMPTY is empty",
        "value",
    ),
    (
        "a file that isn't there",
        _at_site("jwt: {secrets: ['file:nope']}"),
        "sites[0].jwt.secrets[0]",
        7,
        "No such file",
        "Make it",
    ),
    (
        "a file that is a directory",
        _at_site("jwt: {secrets: ['file:.']}"),
        "sites[0].jwt.secrets[0]",
        7,
        "directory",
        "correct",
    ),
    (
        "a file that is empty",
        _at_site("jwt: {secrets: ['file:/dev/null']}"),
        "sites[0].jwt.secrets[0]",
        7,
        "empty",
        "Make it",
    ),
    (
        "a file that is endless",
        _at_site("jwt: {secrets: ['file:/dev/zero']}"),
        "sites[0].jwt.secrets[0]",
        7,
        "longer",
        "Make it",
    ),
    (
        "a file with a scheme",
        _at_site("jwt: {secrets: ['file:///etc/jwt']}"),
        "sites[0].jwt.secrets[0]",
        7,
        "slashes",
        '"file:/etc/jwt"',
    ),
    ("an own secret that is short", SMALLEST + "secret: word\n", "secret", 11, "can be guessed", "makes a good one"),
    (
        "a key of the rest module that is short",
        _at_site("rest: {secret: short}"),
        "sites[0].rest.secret",
        7,
        "refuses fewer than 64",
        "Copy the key",
    ),
    # the connector
    (
        "a site without an upstream",
        SMALLEST.replace('    upstream: "http://humhub.test"\n', ""),
        "sites[0].upstream",
        6,
        "upstream is missing",
        "http://humhub.web.lan",
    ),
    (
        "a site that is a HumHub and a directory",
        _at_site("directory: /srv/documents"),
        "sites[0].directory",
        7,
        "either a HumHub or a directory",
        "Leave one",
    ),
    (
        "a directory that is to be relayed",
        SMALLEST.replace('upstream: "http://humhub.test"', "directory: /srv/documents"),
        "sites[0].mode",
        6,
        "no module to relay",
        "mode: connector",
    ),
    (
        "a format that is edited without losses",
        _at_site("connector: {lossy_edit: [docx]}"),
        "sites[0].connector.lossy_edit[0]",
        7,
        "no format that is edited with losses",
        "odt",
    ),
    # certificates
    (
        "a certificate that isn't there",
        _at_browser("tls: {cert: /nope, key: /dev/null}"),
        "legs.browser.tls.cert",
        2,
        "/nope can't be read",
        "Correct the path",
    ),
    (
        "a key of another certificate",
        _at_browser(f"tls: {{cert: {TLS}/other.pem, key: {TLS}/one.key}}"),
        "legs.browser.tls",
        2,
        "is not that of the certificate",
        "go together",
    ),
    (
        "an old version of TLS",
        _at_browser(f"tls: {{cert: {TLS}/one.pem, key: {TLS}/one.key, min_version: 1.1}}"),
        "legs.browser.tls.min_version",
        2,
        "1.1 is no version of TLS",
        '"1.2" or "1.3"',
    ),
    (
        "a key with a password",
        _at_browser(f"tls: {{cert: {TLS}/one.pem, key: {TLS}/locked.key}}"),
        "legs.browser.tls",
        2,
        "needs a password",
        "without one",
    ),
    (
        "a certificate without key",
        SMALLEST.replace('"http://humhub.test"', f'{{url: "https://h.test", client_cert: {TLS}/one.pem}}'),
        "sites[0].upstream.client_cert",
        7,
        "no certificate with its key",
        "PEM",
    ),
    (
        "an authority that is none",
        SMALLEST.replace('"http://humhub.test"', f'{{url: "https://h.test", ca: {TLS}/one.key}}'),
        "sites[0].upstream.ca",
        7,
        "holds no certificate",
        "PEM",
    ),
    # the whole
    (
        "two legs at one address",
        SMALLEST.replace(":8081", ":8080"),
        "legs.docs.listen",
        3,
        "taken by legs.browser",
        "port",
    ),
    (
        "two legs at one port of all",
        SMALLEST.replace("127.0.0.1:8082", "0.0.0.0:8081"),
        "legs.humhub.listen",
        4,
        "taken by legs.docs",
        "port",
    ),
    (
        "a leg at the admin leg's default",
        SMALLEST.replace(":8080", ":8083"),
        "legs.admin.listen",
        1,
        "taken by legs.browser",
        "port",
    ),
    (
        "an open admin leg",
        _at_legs('admin: {listen: "0.0.0.0:9000"}'),
        "legs.admin.token",
        5,
        "beyond this machine",
        "ADMIN_TOKEN",
    ),
    ("Docs in HumHub's way", _at_site("base_path: /ds/hub"), "sites[0].base_path", 7, "below docs.path", "such as /ds"),
    (
        "one node twice",
        SMALLEST.replace("    - {name", '    - {name: docs-1, upstream: "http://d.test"}\n    - {name'),
        "docs.nodes[1].name",
        11,
        "taken by docs.nodes[0].name",
        "a name of its own",
    ),
]


@pytest.mark.parametrize("row", FAULTS, ids=[row[0] for row in FAULTS])
def test_a_fault_has_its_place_line_and_remedy(
    row: tuple[str, str, str, int | None, str, str], refused: Callable[..., tuple[Fault, ...]]
) -> None:
    _, text, place, line, message, remedy = row
    found = refused(text, ENVIRON | {"EMPTY": ""})
    assert [(fault.place, fault.line) for fault in found] == [(place, line)], [str(fault) for fault in found]
    assert message in found[0].message
    assert remedy in found[0].remedy


def test_several_sites_need_names_and_hosts_of_their_own(refused: Callable[..., tuple[Fault, ...]]) -> None:
    more = """\
sites:
  - {name: a, upstream: "http://a.test", hosts: [x.test]}
  - {name: a, upstream: "http://b.test", hosts: [X.test.]}
  - {name: c, upstream: "http://c.test"}
"""
    sites = SMALLEST.replace('sites:\n  - name: social\n    upstream: "http://humhub.test"\n', more)
    assert [(fault.place, fault.line) for fault in refused(sites)] == [
        ("sites[1].name", 7),
        ("sites[1].hosts[0]", 7),
        ("sites[2].hosts", 8),
    ]


def test_every_fault_is_told_at_once_and_in_order(refused: Callable[..., tuple[Fault, ...]]) -> None:
    text = (
        _at_site("mode: proxy").replace(":8081", ":8080") + "limits: {page: huge, bdy: 1MiB}\nworkers: 0\nworkers: 1\n"
    )
    found = refused(text, {})
    assert [fault.place for fault in found] == [
        "legs.docs.listen",
        "sites[0].jwt.secrets[0]",
        "sites[0].mode",
        "docs.jwt.secrets[0]",
        "limits.page",
        "limits.bdy",
        "workers",
        "workers",
    ]
    assert "docs.jwt" not in str(found[0])


def test_an_error_tells_all_of_its_faults(write: Callable[[str], Path]) -> None:
    path = write(SMALLEST + "workers: 0\nlog: {level: loud}\n")
    with pytest.raises(ConfigurationError) as caught:
        load(path, environ=ENVIRON)
    assert f"{path}:11:10: workers: 0 is no whole number" in str(caught.value)
    assert f"{path}:12:14: log.level: loud is not known" in str(caught.value)


@pytest.mark.parametrize("place", ["legs", "sites", "docs", "saves", "limits", "log", "legs.admin", "docs.jwt"])
@pytest.mark.parametrize("value", ["null", "[]", "{}", "5", "text", "[[]]", "[{}]", "{a: {b: [c]}}", "2026-01-01"])
def test_no_shape_is_answered_with_anything_but_faults(place: str, value: str, write: Callable[[str], Path]) -> None:
    section, _, name = place.partition(".")
    text = f"{section}: {{{name}: {value}}}\n" if name else f"{section}: {value}\n"
    with pytest.raises(ConfigurationFaults) as caught:
        load(write(text), environ={})
    for fault in caught.value.faults:
        assert fault.message
        assert fault.remedy
        assert "dataclass" not in str(fault)
        assert "Input should" not in str(fault)
