"""A real HTTP server on loopback that can be told to fail, and processes that can be killed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sigzoo.artifacts import ArtifactSpec, Retry

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass
class Resource:
    """A file of the server, and how it misbehaves."""

    content: bytes
    etag: str | None = '"v1"'
    last_modified: str | None = None
    content_type: str = "application/octet-stream"
    ranges: bool = True
    length: int | str | None = "true"
    """``"true"``: the real one; a number: a lie; `None`: none, the end is where the connection ends."""
    chunked: bool = False
    encoding: str | None = None
    cuts: list[int] = field(default_factory=list)
    """Offsets at which the connection is cut, once each."""
    script: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    """Answers to give first."""
    always: tuple[int, dict[str, str], bytes] | None = None
    stall_at: int | None = None
    pace: float = 0.0
    """Seconds between pieces of 4 KiB."""
    content_range: str | None = None


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    status: int = 0
    sent: int = 0

    @property
    def start(self) -> int:
        return int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])


class Site:
    """The server, what it holds, and what it was asked."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.resources: dict[str, Resource] = {}
        self.scheme = "https" if certificate else "http"
        self.requests: list[Request] = []
        self.stop = threading.Event()
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                site.answer(self)

            def log_message(self, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *args: Any) -> None:
                """A client that was killed is no news."""

        self.server = Server(("127.0.0.1", 0), Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.stop.set()
        self.server.shutdown()
        self.server.server_close()

    @property
    def address(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server.server_address[1]}"

    def publish(self, content: bytes, name: str = "weights.bin", **faults: Any) -> str:
        self.resources[f"/{name}"] = Resource(content, **faults)
        return f"{self.address}/{name}"

    def resource(self, url: str) -> Resource:
        return self.resources[url.removeprefix(self.address)]

    def asked(self, url: str) -> list[Request]:
        return [request for request in self.requests if self.address + request.path == url]

    def bytes_sent(self, url: str) -> int:
        return sum(request.sent for request in self.asked(url))

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        request = Request(handler.path, dict(handler.headers.items()))
        self.requests.append(request)
        resource = self.resources.get(handler.path)
        if resource is None:
            return self._send(handler, request, 404, {}, b"not here")
        if resource.script:
            return self._send(handler, request, *resource.script.pop(0))
        if resource.always is not None:
            return self._send(handler, request, *resource.always)
        self._serve(handler, request, resource)

    def _send(
        self,
        handler: BaseHTTPRequestHandler,
        request: Request,
        status: int,
        headers: dict[str, str],
        body: bytes,
    ) -> None:
        request.status = status
        handler.send_response(status)
        for key, value in headers.items():
            handler.send_header(key, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
        request.sent += len(body)

    def _serve(self, handler: BaseHTTPRequestHandler, request: Request, resource: Resource) -> None:
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 15)
        whole = len(resource.content)
        start = request.start if resource.ranges and self._same(request, resource) else 0
        if start >= whole > 0 and start:
            return self._send(handler, request, 416, {"Content-Range": f"bytes */{whole}"}, b"")
        request.status = 206 if start else 200
        handler.send_response(request.status)
        handler.send_header("Content-Type", resource.content_type)
        if start:
            span = resource.content_range or f"bytes {start}-{whole - 1}/{whole}"
            handler.send_header("Content-Range", span)
        for name, value in (("ETag", resource.etag), ("Last-Modified", resource.last_modified)):
            if value is not None:
                handler.send_header(name, value)
        if resource.encoding is not None:
            handler.send_header("Content-Encoding", resource.encoding)
        if resource.chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        elif resource.length is not None:
            length = whole - start if resource.length == "true" else resource.length
            handler.send_header("Content-Length", str(length))
        else:
            handler.close_connection = True
        handler.end_headers()
        self._body(handler, request, resource, start)

    @staticmethod
    def _same(request: Request, resource: Resource) -> bool:
        wanted = request.headers.get("If-Range")
        return wanted is None or wanted in {resource.etag, resource.last_modified}

    def _body(
        self, handler: BaseHTTPRequestHandler, request: Request, resource: Resource, start: int
    ) -> None:
        piece = 1 << 12 if resource.pace else 1 << 16
        position, whole = start, len(resource.content)
        cut = min((cut for cut in resource.cuts if cut >= start), default=None)
        stops = [stop for stop in (cut, resource.stall_at) if stop is not None]
        end = min([whole, *stops])
        while position < end:
            block = resource.content[position : min(position + piece, end)]
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(block), block) if resource.chunked else block)
            position += len(block)
            request.sent += len(block)
            if resource.pace:
                time.sleep(resource.pace)
        if end == resource.stall_at:
            self.stop.wait(20)
        if end == cut:
            resource.cuts.remove(end)
        if (
            end != whole
            or end == cut
            or (isinstance(resource.length, int) and resource.length != whole - start)
        ):
            handler.wfile.flush()
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
        elif resource.chunked:
            handler.wfile.write(b"0\r\n\r\n")


@pytest.fixture
def site() -> Iterator[Site]:
    """A server of this test's own."""
    server = Site()
    yield server
    server.close()


@pytest.fixture
def secure_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A server that speaks TLS, with a certificate that `requests` is told to trust."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    pem, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*make, "-keyout", str(key), "-out", str(pem)], check=True, capture_output=True)
    pem.write_text(key.read_text() + pem.read_text())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem))
    server = Site(pem)
    yield server
    server.close()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of this test's own."""
    place = tmp_path / "home"
    monkeypatch.setenv("SIGZOO_HOME", str(place))
    monkeypatch.delenv("SIGZOO_OFFLINE", raising=False)
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    return place


@pytest.fixture
def waits() -> list[float]:
    """What `patient` waited, in seconds, without waiting."""
    return []


@pytest.fixture
def patient(waits: list[float]) -> Retry:
    """The usual number of tries, no time lost between them."""
    return Retry(attempts=5, connect_timeout=5, read_timeout=5, sleep=waits.append, progress_bytes=1)


@pytest.fixture
def content() -> Callable[..., bytes]:
    """Random bytes: ``content(size, seed)``."""

    def make(size: int = 300_000, seed: int = 0) -> bytes:
        return np.random.default_rng(seed).bytes(size)

    return make


@pytest.fixture
def pinned() -> Callable[..., ArtifactSpec]:
    """The specification that belongs to some bytes: ``pinned(content, *urls)``."""

    def make(data: bytes, *urls: str, name: str = "weights", **fields: Any) -> ArtifactSpec:
        fields.setdefault("sha256", hashlib.sha256(data).hexdigest())
        fields.setdefault("size", len(data))
        return ArtifactSpec(name, urls, **fields)

    return make


_SPAWNER = """
import json, os, resource, sys
import filelock, pooch, requests
import sigzoo.artifacts.retrieval, sigzoo.artifacts.connections
from sigzoo.artifacts import ArtifactSpec, Retry, fetch

for line in sys.stdin:
    job = json.loads(line)
    if "wait" in job:
        print(os.waitpid(job["wait"], 0)[1], flush=True)
        continue
    pid = os.fork()
    if pid:
        print(pid, flush=True)
        continue
    result = {}
    try:
        os.environ.update(job["env"])
        if job["file_limit"]:
            resource.setrlimit(resource.RLIMIT_FSIZE, (job["file_limit"], job["file_limit"]))
        out = open(job["out"], "w")
        if job["umask"] is not None:
            os.umask(job["umask"])
        if job["uid"]:
            os.setuid(job["uid"])
        spec = job["spec"]
        spec["urls"] = tuple(spec["urls"])
        result["path"] = str(fetch(ArtifactSpec(**spec), retry=Retry(**job["retry"])))
    except BaseException as error:
        result["message"] = str(error)
        result["kinds"] = [kind.__name__ for kind in type(error).__mro__]
    json.dump(result, out)
    out.close()
    os._exit(0)
"""


@dataclass
class Child:
    """A process that fetches one artifact."""

    pid: int
    out: Path
    spawner: Spawner

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.spawner.tell({"wait": self.pid})

    def result(self) -> dict[str, Any]:
        self.spawner.tell({"wait": self.pid})
        return json.loads(self.out.read_text())


class Spawner:
    """Starts processes that have everything imported, so that starting one takes no time."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.folder, self.count, self.log = folder, 0, log
        path = os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SPAWNER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.open("wb"),
            env=os.environ | {"PYTHONPATH": path},
            text=True,
        )

    def tell(self, job: dict[str, Any]) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def fetch(
        self,
        spec: ArtifactSpec,
        *,
        file_limit: int = 0,
        uid: int = 0,
        home: Path | None = None,
        umask: int | None = None,
        **retry: Any,
    ) -> Child:
        self.count += 1
        out = self.folder / f"result-{self.count}.json"
        env = {"SIGZOO_HOME": str(home or os.environ["SIGZOO_HOME"])}
        job = {
            "spec": asdict(spec),
            "out": str(out),
            "env": env,
            "file_limit": file_limit,
            "uid": uid,
            "umask": umask,
            "retry": {"first_wait": 0.01, **retry},
        }
        return Child(self.tell(job), out, self)

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)


@pytest.fixture
def spawner(tmp_path: Path) -> Iterator[Spawner]:
    """Processes that can be killed; what they say on stderr is in ``spawner.log``."""
    started = Spawner(tmp_path, tmp_path / "stderr.txt")
    yield started
    started.close()
