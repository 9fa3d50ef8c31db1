"""Malformed settings: each is named as what it is, before or without the network it would need."""

import io
import json
import logging
import threading

import bad_servers
import pytest
from bad_servers import certificate, says, serving, unused_address
from fake_leap import ENDPOINT, TOKEN

from qdvae_helpers.errors import QPUError, SettingError
from qdvae_helpers.qpu.budget import budget_s
from qdvae_helpers.qpu.leap import close, connect
from qdvae_helpers.qpu.settings import read_settings
from qdvae_helpers.samplers import working_graph

A, E, P, S = (f"DWAVE_API_{name}" for name in ("TOKEN", "ENDPOINT", "PROXY", "SOLVER"))
F = "DWAVE_CONFIG_FILE"

# What stands in variables (F: in the file), and the noun that the message must hold.
MALFORMED = [
    ({A: "   "}, "token"),
    ({A: "\u200b" * 40}, "token"),
    ({A: TOKEN[:10] + "\n" + TOKEN[10:]}, "token"),
    ({A: TOKEN[:10] + " " + TOKEN[10:]}, "token"),
    ({A: TOKEN + "\n" + TOKEN}, "token"),
    ({A: f'"{TOKEN}"'}, "token"),
    ({A: f"'{TOKEN}'"}, "token"),
    ({A: f"\u201c{TOKEN}\u201d"}, "token"),
    ({A: f"\u00ab{TOKEN}\u00bb"}, "token"),
    ({A: TOKEN.replace("-", "\u2013")}, "token"),
    ({A: TOKEN[:20] + "\u2026"}, "token"),
    ({A: TOKEN.replace("0", "\u043e")}, "token"),
    ({A: TOKEN.replace("1", "\uff11")}, "token"),
    ({A: "\ufeff" + TOKEN}, "token"),
    ({A: TOKEN[:12]}, "token"),
    ({A: TOKEN * 10}, "token"),
    ({A: "<your-token-from-the-dashboard>"}, "token"),
    ({A: "YOUR_API_TOKEN_GOES_HERE_PLEASE"}, "token"),
    ({A: "x" * 44}, "token"),
    ({A: "DWAVE_API_TOKEN=" + TOKEN}, "token"),
    ({A: TOKEN + "\x07"}, "token"),
    ({A: "Bearer " + TOKEN}, "token"),
    ({A: TOKEN + "\u200f"}, "token"),
    ({A: "${LEAP_KEY_OF_THIS_MACHINE}"}, "token"),
    ({A: "DEV-" + "x" * 40}, "placeholders"),
    ({A: "changeme-changeme-changeme"}, "placeholders"),
    ({A: None, "DWAVE_API_KEY": TOKEN}, "set DWAVE_API_TOKEN"),
    ({E: "cloud.dwavesys.com/sapi/v2/"}, "endpoint"),
    ({E: "ftp://cloud.dwavesys.com/"}, "endpoint"),
    ({E: "https:///sapi"}, "endpoint"),
    ({E: "https://a b.test/"}, "endpoint"),
    ({E: "https://leap.test:port/"}, "endpoint"),
    ({E: "https://leap.test:99999/"}, "endpoint"),
    ({E: "https://leap.test/?x=1"}, "endpoint"),
    ({E: "https://me:pass@leap.test/"}, "endpoint"),
    ({E: "https://[::1/"}, "endpoint"),
    ({E: "http://leap.test/sapi/"}, "endpoint"),
    ({E: "   "}, "endpoint"),
    ({E: "http://127.evil.test/"}, "where everybody on the way can read it"),
    ({E: "http://127.0.0.1.evil.test/"}, "where everybody on the way can read it"),
    ({E: "http://[::11]/"}, "where everybody on the way can read it"),
    ({E: "http://[::1]evil.test/"}, "endpoint"),
    ({E: "https://le\u200bap.test/"}, "endpoint"),
    ({E: "https://le\u0430p.test/"}, "endpoint"),
    ({E: "https://leap\u3002test/"}, "endpoint"),
    ({E: "https://leap..test/"}, "endpoint"),
    ({E: "https://*/"}, "endpoint"),
    ({E: "https://leap.test:0/"}, "endpoint"),
    ({"DWAVE_METADATA_API_ENDPOINT": "nowhere"}, "endpoint"),
    ({P: "http://"}, "proxy"),
    ({P: "no proxy at all"}, "proxy"),
    ({P: "ftp://proxy.test:21"}, "proxy"),
    ({P: "http://proxy.test:port"}, "proxy"),
    ({"HTTPS_PROXY": "http://"}, "proxy"),
    ({"HTTPS_PROXY": "gopher://x"}, "proxy"),
    ({"HTTPS_PROXY": "http://a b"}, "proxy"),
    ({"ALL_PROXY": "http://a b"}, "ALL_PROXY"),
    ({P: f"http://me:{TOKEN}@proxy..test"}, "proxy"),
    ({S: "   "}, "solver"),
    ({S: '{"num_active_qubits__gt": 39'}, "solver"),
    ({S: "[1, 2]"}, "solver"),
    ({S: '"Advantage"'}, "solver"),
    ({S: "{}"}, "solver"),
    ({S: '{"": 1}'}, "solver"),
    ({S: "[" * 100_000}, "solver"),
    ({"REQUESTS_CA_BUNDLE": "/missing/ca.pem"}, "certificates"),
    ({"REQUESTS_CA_BUNDLE": __file__}, "certificates"),
    ({"CURL_CA_BUNDLE": "/missing/ca.pem"}, "certificates"),
    ({"DWAVE_PROFILE": "absent"}, "profile"),
    ({F: f"token = {TOKEN}\n"}, "configuration file"),
    ({F: f"[a\ntoken = {TOKEN}\n"}, "configuration file"),
    ({F: f"[a]\ntoken = {TOKEN}\n[a]\n"}, "configuration file"),
    ({F: f"[a]\ntoken = %{TOKEN}\n"}, "configuration file"),
    ({F: f"[a]\ntoken = {TOKEN}\n".encode("utf-16")}, "configuration file"),
    ({F: f"[a]\ntoken = {TOKEN}\n".encode("utf-8-sig")}, "configuration file"),
    ({F: b"\x00\xff\xfe" + TOKEN.encode()}, "configuration file"),
    ({F: f'[a]\ntoken = "{TOKEN}"\n', A: None}, "token"),
    ({F: "[a]\n", A: None}, "token"),
    ({F: "", A: None}, "token"),
    ({F: "[a]\nrequest_timeout = abc\n"}, "request_timeout"),
    ({F: "[a]\nrequest_timeout = 1+\n"}, "request_timeout"),
    ({F: "[a]\nrequest_timeout = -5\n"}, "request_timeout"),
    ({F: "[a]\nrequest_timeout = (5, 0)\n"}, "request_timeout"),
    ({F: "[a]\npolling_timeout = nan\n"}, "polling_timeout"),
    ({F: "[a]\npolling_timeout = soon\n"}, "polling_timeout"),
    ({F: "[a]\npermissive_ssl = perhaps\n"}, "permissive_ssl"),
    ({F: "[a]\nhttp_retry_total = many\n"}, "total"),
    ({F: "[a]\nclient_cert_key = x\n"}, "configuration file"),
]


@pytest.fixture
def use(account, monkeypatch, tmp_path):
    """Sets variables, and writes the file."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)

    def put(settings: dict) -> None:
        for name, value in settings.items():
            if name == F and not (isinstance(value, str) and value.startswith("/")):
                path = tmp_path / "dwave.conf"
                path.write_bytes(value if isinstance(value, bytes) else value.encode())
                value = str(path)
            if value is None:
                monkeypatch.delenv(name)
            else:
                monkeypatch.setenv(name, value)

    return put


def refused(noun: str, **arguments) -> str:
    with pytest.raises(QPUError) as caught:
        connect("zephyr", deadline_s=60, **arguments)
    error, said = caught.value, str(caught.value)
    assert noun in said
    assert "stay offline with QDVAE_SAMPLER=annealer" in said
    assert "could be reached (" not in said  # the name of a class is no cause
    assert error.__cause__ is error.__context__ is None
    assert TOKEN[4:] not in said
    assert TOKEN[4:] not in repr(error)
    return said


@pytest.mark.parametrize("row", range(len(MALFORMED)))
def test_what_is_malformed_is_named_before_anything_is_sent(use, row, requests_mock):
    settings, noun = MALFORMED[row]
    use(settings)
    refused(noun)
    assert requests_mock.request_history == []


@pytest.mark.parametrize("path", ["/missing.conf", "/", "/dev/null/x"])
def test_a_configuration_file_that_cannot_be_opened(use, path):
    use({F: path})
    refused("configuration file")


@pytest.mark.parametrize(
    "argument", [{"solver": ""}, {"solver": " "}, {"solver": 5}, {"solver": {}}]
)
def test_an_argument_that_names_no_solver(use, argument):
    use({})
    refused("solver", **argument)


@pytest.mark.parametrize("region", ["", "  ", 5, b"x"])
def test_an_argument_that_names_no_region(use, region):
    use({})
    refused("region", region=region)


def test_an_unknown_region_is_named(use, requests_mock, monkeypatch):
    monkeypatch.delenv(E)
    use({"DWAVE_API_REGION": "mars-north-1"})
    known = [{"code": "x", "name": "x", "endpoint": ENDPOINT}]
    kind = {"Content-Type": "application/vnd.dwave.metadata.regions+json; version=1.0"}
    requests_mock.get(
        "https://cloud.dwavesys.com/metadata/v1/regions/", content=json.dumps(known).encode(),
        headers=kind,
    )  # fmt: skip
    assert "DWAVE_API_REGION" in refused("region")


@pytest.mark.parametrize(
    "features",
    [
        '{"name__regex": "["}',
        '{"num_active_qubits__gt": "abc"}',
        '{"h_range__covers": [1, "a"]}',
        '{"order_by": 5}',
        '{"topology__within": 3}',
        '{"couplers__issubset": 1}',
    ],
)
def test_features_that_cannot_be_looked_for(leap, monkeypatch, features):
    monkeypatch.setenv(S, features)
    refused("solver")


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "-inf", "much", "1e999", " ", "1,5", "2 s"])
def test_a_budget_that_is_no_number(monkeypatch, text):
    monkeypatch.setenv("QDVAE_QPU_BUDGET_S", text)
    with pytest.raises(SettingError, match=r"QDVAE_QPU_BUDGET_S=.*budget.*stay offline"):
        budget_s()


@pytest.mark.parametrize("around", ["  {}", "{}\n", "\t{}\r\n", "\xa0{} "])
def test_blanks_around_a_token_do_no_harm(leap, monkeypatch, around):
    monkeypatch.setenv(A, around.format(TOKEN))
    close(connect("zephyr"))  # the service asserts that it gets the token itself
    assert read_settings()["token"] == TOKEN


def test_the_file_and_its_profiles_are_read_in_the_same_way(use):
    use({F: f"[a]\ntoken = x\n[b]\ntoken =  {TOKEN}  \nproxy = proxy.test:1\n", A: None})
    use({"DWAVE_PROFILE": "b"})
    assert read_settings()["token"] == TOKEN
    assert read_settings()["proxied"]


# On the network --------------------------------------------------------------------------------


def test_a_proxy_that_nobody_answers_at(use):
    for variable in (P, "HTTPS_PROXY"):
        use({E: ENDPOINT, variable: f"http://{unused_address()}"})
        refused("proxy")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
    ],
)
def test_a_proxy_that_is_none_or_refuses(use, answer):
    with serving(says(answer)) as (address, received):
        for variable in (P, "HTTPS_PROXY"):
            use({E: ENDPOINT, variable: f"http://{address}"})
            refused("proxy")
    assert received
    assert TOKEN.encode() not in b"".join(received)


def test_a_proxy_of_another_protocol(use):
    with serving(says(b"no SOCKS")) as (address, _):
        use({P: f"socks5h://{address}"})
        refused("proxy")


def test_nobody_listens_there_or_no_such_host(use):
    use({E: f"http://{unused_address()}/"})
    refused("endpoint")
    use({E: "https://no-such-host.invalid/sapi/v2/"})
    refused("endpoint")


def test_no_tls_where_it_should_be(use):
    with serving(says(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as (address, _):
        use({E: f"https://{address}/sapi/"})
        assert "TLS" in refused("endpoint")


@pytest.mark.parametrize(("host", "days"), [("localhost", 1), ("localhost", -1), ("other.test", 1)])
def test_certificates_that_are_not_accepted(use, tmp_path, monkeypatch, host, days):
    pytest.importorskip("cryptography")
    import ssl

    paths = certificate(tmp_path, host, days)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*paths)
    with serving(says(b""), context) as (address, received):
        use({E: f"https://{address.replace('127.0.0.1', 'localhost')}/sapi/"})
        refused("certificate")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(paths[0]))  # now it is known
        if (host, days) == ("localhost", 1):
            refused("does not reach Leap")  # the certificate passes, and the service says nothing
            assert received
        else:
            refused("certificate")
            assert not received


@pytest.mark.parametrize(
    "settings",
    [
        {A: " "},
        {"HTTPS_PROXY": "http://127.0.0.1:1"},
        {F: "/missing"},
    ],
    ids=str,
)
def test_lessons_go_on_with_the_ideal_graph_and_a_sentence(use, settings, capsys):
    use(settings)
    assert "ideal" in working_graph("auto").source
    first, second = capsys.readouterr().out.splitlines()
    assert "stay offline" in first
    assert second == "Continuing with the ideal graph."


# The token -------------------------------------------------------------------------------------


def test_overlapping_connections_log_no_token(leap, monkeypatch):
    heard = io.StringIO()
    handler = logging.StreamHandler(heard)
    root = logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in ("", "dwave", "urllib3", "requests")}
    for name in list(logging.root.manager.loggerDict):  # what earlier tests have left there
        logging.getLogger(name).filters.clear()
    root.addHandler(handler)
    try:
        for name in levels:
            logging.getLogger(name).setLevel(1)
        start = threading.Barrier(4)
        failures = []

        def one(number):
            start.wait(60)
            for _ in range(2):
                try:
                    close(connect("zephyr" if number % 2 else "pegasus"))
                except QPUError as error:
                    failures.append(str(error))

        threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        root.removeHandler(handler)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
    assert len(failures) == 4  # those that want another graph
    assert len(heard.getvalue()) > 10_000  # the client did speak
    assert TOKEN not in heard.getvalue()
    assert not logging.getLogger("dwave.cloud.config.loaders").filters[1:]  # one per token, no more


def test_a_proxy_reads_no_token(use):
    with serving(bad_servers.hangs) as (address, received):
        use({E: ENDPOINT, P: f"http://{address}"})
        with pytest.raises(QPUError):
            connect("zephyr", deadline_s=1.0)
        bad_servers.eventually(lambda: received)
    assert TOKEN.encode() not in b"".join(received)
