"""Services that behave badly, on real sockets of this machine."""

import contextlib
import gzip
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

KIND = b"application/vnd.dwave.sapi.solver-definition-list+json; version=3.0.0"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: " + KIND + b"\r\n"


def reply(head: bytes, body: bytes = b"") -> bytes:
    length = f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
    return head + length + body


@contextlib.contextmanager
def serving(behave: Callable, context: ssl.SSLContext | None = None) -> Iterator[tuple[str, list]]:
    """An address on this machine, and what was sent to it; ``behave(connection, over)`` answers.

    ``over`` is an event that is set when the test is done, so that nothing hangs longer.
    """
    received, over = [], threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            with contextlib.suppress(OSError):
                connection = self.request
                if context is not None:
                    connection = context.wrap_socket(connection, server_side=True)
                received.append(connection.recv(1 << 16))
                behave(connection, over)
                connection.close()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}", received
        finally:
            over.set()
            server.shutdown()
            thread.join()


def says(answer: bytes) -> Callable:
    return lambda connection, over: connection.sendall(answer)


def hangs(connection, over) -> None:
    over.wait(60)


def drips(connection, over) -> None:
    """A byte now and then, so that no wait for the next one is ever long."""
    connection.sendall(HEAD + b"Content-Length: 1000000\r\n\r\n[")
    while not over.wait(0.02):
        connection.sendall(b" ")


def drips_headers(connection, over) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not over.wait(0.02):
        connection.sendall(b"x")


def floods(connection, over) -> None:
    """A list that does not end."""
    connection.sendall(HEAD + b"Connection: close\r\n\r\n[")
    while not over.is_set():
        connection.sendall(b" " * (1 << 20))


def bomb(megabytes: int) -> bytes:
    """A small reply that unpacks to so much."""
    body = gzip.compress(b" " * (1 << 20) * megabytes, 9)
    return reply(HEAD + b"Content-Encoding: gzip\r\n", body)


def certificate(folder: Path, host: str = "localhost", days: int = 1) -> tuple[Path, Path]:
    """A self-made certificate and its key, as files; expired where ``days`` is negative."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=30))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{host}.pem", folder / f"{host}.key"
    paths[0].write_bytes(built.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


def unused_address() -> str:
    """Where nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{one.getsockname()[1]}"


def eventually(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
