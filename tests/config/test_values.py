from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from yarl import URL

from bridge.config import Config, ConfigurationFaults, Listen, Loaded, LogFormat, LogLevel, Mode, load
from bridge.protocol.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

SMALLEST = (Path(__file__).parent.parent / "data/smallest.yaml").read_text()
REPOSITORY = Path(__file__).parent.parent.parent
TLS = Path(__file__).parent.parent / "data/tls"
HUMHUB = "humhub-secret-0123456789abcdef0123456789"
DOCS = "docs-secret-0123456789abcdef0123456789"
ENVIRON = {"HUMHUB_JWT": HUMHUB, "DOCS_JWT": DOCS}


def _get(config: Config, place: str) -> Any:
    value: Any = config
    for step in place.split("."):
        value = value[int(step)] if step.isdigit() else getattr(value, step)
    return value


def test_the_reference_lacks_exactly_its_two_secrets() -> None:
    with pytest.raises(ConfigurationFaults) as caught:
        load(REPOSITORY / "bridge.yaml", environ={})
    assert [(fault.place, fault.message) for fault in caught.value.faults] == [
        ("sites[0].jwt.secrets[0]", "the environment variable HUMHUB_JWT is not set"),
        ("docs.jwt.secrets[0]", "the environment variable DOCS_JWT is not set"),
    ]
    assert caught.value.warnings == ()


def test_the_reference_with_its_secrets_is_fine() -> None:
    found = load(REPOSITORY / "bridge.yaml", environ=ENVIRON)
    assert found.warnings == ()
    assert found.config.sites[0].jwt.secrets == (Secret(HUMHUB),)


def test_the_reference_shows_the_defaults(loaded: Callable[..., Loaded]) -> None:
    shown = load(REPOSITORY / "bridge.yaml", environ=ENVIRON).config
    smallest = loaded(SMALLEST).config
    for name in ("timeline", "limits", "workers", "log", "audit", "traces"):
        assert getattr(shown, name) == getattr(smallest, name), name
    assert shown.legs.admin == smallest.legs.admin
    assert shown.sites[0].jwt == smallest.sites[0].jwt
    assert (shown.docs.path, shown.docs.jwt) == (smallest.docs.path, smallest.docs.jwt)
    assert shown.sites[0].upstream.connections == smallest.sites[0].upstream.connections


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("legs.browser.listen", Listen("127.0.0.1", 8080)),
        ("legs.browser.url", URL("http://office.test")),
        ("legs.browser.tls", None),
        ("legs.browser.allow", ()),
        ("legs.admin.listen", Listen("127.0.0.1", 8083)),
        ("legs.admin.token", None),
        ("sites.0.upstream.url", URL("http://humhub.test")),
        ("sites.0.upstream.connect", 10.0),
        ("sites.0.hosts", ()),
        ("sites.0.base_path", ""),
        ("sites.0.jwt.header", "Authorization"),
        ("sites.0.jwt.secrets", (Secret(HUMHUB),)),
        ("sites.0.mode", Mode.RELAY),
        ("sites.0.rest.secret", None),
        ("docs.path", "/ds"),
        ("docs.jwt.browser.secrets", (Secret(DOCS),)),
        ("docs.jwt.outbox.secrets", (Secret(DOCS),)),
        ("saves.deadline", 60.0),
        ("saves.attempt", 300.0),
        ("saves.keep", 86400.0),
        ("saves.max_size", 1 << 30),
        ("saves.reserve", 256 << 20),
        ("saves.storing", 60.0),
        ("saves.sweep", 300.0),
        ("timeline.keep", 604800.0),
        ("limits.body", 100 << 20),
        ("limits.header", 64 << 10),
        ("limits.page", 8 << 20),
        ("limits.websocket_message", 100 << 20),
        ("limits.download", 110.0),
        ("limits.memory", 256 << 20),
        ("limits.connections", 10_000),
        ("limits.client_connections", 2_000),
        ("limits.head", 20.0),
        ("limits.idle", 60.0),
        ("limits.keep_alive", 75.0),
        ("limits.websocket_idle", 90.0),
        ("limits.conversion", 600.0),
        ("sites.0.upstream.keep_alive", 4.0),
        ("workers", 1),
        ("log.level", LogLevel.INFO),
        ("log.format", LogFormat.JSON),
        ("audit.file", None),
        ("traces.otlp", None),
    ],
)
def test_what_is_left_out_has_its_default(place: str, value: object, loaded: Callable[..., Loaded]) -> None:
    assert _get(loaded(SMALLEST).config, place) == value


@pytest.mark.parametrize(
    ("text", "place", "value"),
    [
        ("saves: {deadline: 500ms}", "saves.deadline", 0.5),
        ("saves: {deadline: 0}", "saves.deadline", 0.0),
        ("saves: {deadline: 1.5m}", "saves.deadline", 90.0),
        ("limits: {body: 64KiB}", "limits.body", 65536),
        ("limits: {body: 100MB}", "limits.body", 100_000_000),
        ("limits: {body: 1GB}", "limits.body", 1_000_000_000),
        ("limits: {body: 4096}", "limits.body", 4096),
        ('workers: "${WORKERS}"', "workers", 4),
        ("saves: {directory: s3://bucket/saves}", "saves.directory", URL("s3://bucket/saves")),
        ('store: {url: "redis://:word@cache.test/0"}', "store.url", "redis://:word@cache.test/0"),
        ("log: {level: debug, format: text}", "log.level", LogLevel.DEBUG),
        ("traces: {otlp: 'http://collector.test:4318/'}", "traces.otlp", URL("http://collector.test:4318")),
        ("limits:\n", "limits.body", 100 << 20),
        ("limits: {head: 500ms}", "limits.head", 0.5),
        ("limits: {client_connections: 7}", "limits.client_connections", 7),
    ],
)
def test_a_value_is_read(text: str, place: str, value: object, loaded: Callable[..., Loaded]) -> None:
    assert _get(loaded(f"{SMALLEST}{text}\n", WORKERS="4").config, place) == value


@pytest.mark.parametrize(
    ("line", "place", "value"),
    [
        (
            'hosts: [Social.Example.com., "social.test:8443", bücher.test]',
            "sites.0.hosts",
            ("social.example.com", "social.test:8443", "xn--bcher-kva.test"),
        ),
        ("base_path: /humhub", "sites.0.base_path", "/humhub"),
        ("mode: connector", "sites.0.mode", Mode.CONNECTOR),
        (f'rest: {{secret: "{"k" * 64}"}}', "sites.0.rest.secret", Secret("k" * 64)),
        ("connector: {lossy_edit: [odt, .CSV], menus: false}", "sites.0.connector.lossy_edit", ("odt", "csv")),
        ("connector: {menus: false}", "sites.0.connector.menus", False),
        (
            'jwt: {header: X-JWT, secrets: ["${HUMHUB_JWT}", "${DOCS_JWT}"]}',
            "sites.0.jwt.secrets",
            (Secret(HUMHUB), Secret(DOCS)),
        ),
    ],
)
def test_a_sites_value_is_read(line: str, place: str, value: object, loaded: Callable[..., Loaded]) -> None:
    text = SMALLEST.replace('    upstream: "http://humhub.test"\n', f'    upstream: "http://humhub.test"\n    {line}\n')
    assert _get(loaded(text).config, place) == value


@pytest.mark.parametrize("storage", ['upstream: "http://humhub.test"', "directory: /srv/documents"])
def test_a_connectors_site_needs_no_secret_of_a_module(storage: str, loaded: Callable[..., Loaded]) -> None:
    text = SMALLEST.replace('upstream: "http://humhub.test"', f"{storage}\n    mode: connector")
    found = loaded(text, HUMHUB_JWT="")
    assert found.config.sites[0].jwt.secrets == ()
    assert found.warnings == ()


def test_an_upstream_is_read_in_full(loaded: Callable[..., Loaded]) -> None:
    full = (
        f'{{url: "https://humhub.test:8443/hub/", host: social.test, ca: {TLS}/one.pem, '
        f"client_cert: {{cert: {TLS}/one.pem, key: {TLS}/one.key}}, source_address: 127.0.0.2, connections: 7, "
        "keep_alive: 9s, connect: 1s, first_byte: 2m, idle: 500ms}"
    )
    found = loaded(SMALLEST.replace('"http://humhub.test"', full)).config.sites[0].upstream
    assert found.url == URL("https://humhub.test:8443/hub")
    assert (found.host, found.ca, found.source_address) == ("social.test", TLS / "one.pem", "127.0.0.2")
    assert found.client_cert is not None
    assert (found.client_cert.cert, found.client_cert.key) == (TLS / "one.pem", TLS / "one.key")
    assert (found.connections, found.connect, found.first_byte, found.idle) == (7, 1.0, 120.0, 0.5)
    assert found.keep_alive == 9.0


def test_a_leg_is_read_in_full(loaded: Callable[..., Loaded]) -> None:
    leg = (
        f'{{listen: "[::1]:8443", url: "https://office.test/", tls: {{cert: {TLS}/one.pem, key: {TLS}/one.key, '
        f'client_ca: {TLS}/other.pem, min_version: 1.3}}, allow: ["10.0.0.0/8", "::1"], trust_forwarded_from: [192.0.2.7]}}'
    )
    found = loaded(SMALLEST.replace('{listen: "127.0.0.1:8080", url: "http://office.test"}', leg)).config.legs.browser
    assert (found.listen, str(found.listen)) == (Listen("::1", 8443), "[::1]:8443")
    assert found.url == URL("https://office.test")
    assert found.tls is not None
    assert (found.tls.client_ca, found.tls.min_version) == (TLS / "other.pem", "1.3")
    assert found.allow == (ip_network("10.0.0.0/8"), ip_network("::1/128"))
    assert found.trust_forwarded_from == (ip_network("192.0.2.7/32"),)


def test_docs_may_have_a_ring_for_each_direction(loaded: Callable[..., Loaded]) -> None:
    rings = """\
docs:
  jwt:
    browser: {secrets: ["${DOCS_JWT}"]}
    inbox: {header: X-In, secrets: ["${HUMHUB_JWT}"]}
    outbox: {header: X-Out}
"""
    jwt = loaded(SMALLEST.replace("docs:\n", rings)).config.docs.jwt
    assert [ring.header for ring in (jwt.browser, jwt.inbox, jwt.outbox)] == ["Authorization", "X-In", "X-Out"]
    assert [ring.secrets for ring in (jwt.browser, jwt.inbox, jwt.outbox)] == [
        (Secret(DOCS),),
        (Secret(HUMHUB),),
        (Secret(DOCS),),
    ]


def test_relative_paths_begin_at_the_file(loaded: Callable[..., Loaded], tmp_path: Path) -> None:
    config = loaded(SMALLEST + "audit: {file: audit.log}\n").config
    assert config.saves.directory == tmp_path / "data/saves"
    assert config.store.url == f"sqlite:///{tmp_path}/data/bridge.db"
    assert config.audit.file == tmp_path / "audit.log"


@pytest.mark.parametrize(
    ("listen", "loopback", "everywhere"),
    [
        ("127.0.0.9:1", True, False),
        ("[::1]:1", True, False),
        ("localhost:1", True, False),
        ("0.0.0.0:1", False, True),
        ("[::]:1", False, True),
        ("10.0.0.1:1", False, False),
        ("bridge.lan:1", False, False),
    ],
)
def test_a_listener_knows_who_can_call_it(
    listen: str,
    loopback: bool,
    everywhere: bool,
    loaded: Callable[..., Loaded],
) -> None:
    found = loaded(SMALLEST.replace("127.0.0.1:8080", listen)).config.legs.browser.listen
    assert (found.loopback, found.everywhere) == (loopback, everywhere)
