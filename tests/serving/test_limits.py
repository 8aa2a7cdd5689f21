"""Limits: what is too much is refused before it costs anything, also at overload; nothing is lost."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from PIL import Image

from sigzoo.cli.serve import _listening
from sigzoo.errors import UsageError
from sigzoo.serving import Service, ServingLimits, create_app
from sigzoo.serving.admission import Admission, Overloaded

from .conftest import files, png, served


def test_a_request_of_too_many_bytes(client, pngs) -> None:
    service = client(ServingLimits(max_bytes=1000))
    assert service.post("/embed", files=files("images", *pngs)).status_code == 413


def test_a_request_that_does_not_say_its_length_is_cut_off(client) -> None:
    """A body without end, in chunks: it must be refused after what is allowed, so this test ends."""
    service = client(ServingLimits(max_bytes=100_000))
    count = 0

    def endless():  # a body of 100 MB, of which hardly any may be read
        nonlocal count
        yield b'--x\r\nContent-Disposition: form-data; name="images"; filename="a.png"\r\n\r\n'
        for _ in range(1000):
            count += 1
            yield b"\0" * 100_000

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert service.post("/embed", content=endless(), headers=headers).status_code == 413


def test_more_images_than_a_request_may_have(client, pngs) -> None:
    service = client(ServingLimits(max_images=3))
    refused = service.post("/embed", files=files("images", *pngs))
    assert refused.status_code == 413
    assert "3 images" in refused.json()["error"]["message"]


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(client, monkeypatch) -> None:
    def decoded(*_: object) -> None:
        raise AssertionError("it was decoded")

    content = png(np.full((300, 300), 255, np.uint8))
    monkeypatch.setattr(Image.Image, "convert", decoded)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decoded)
    refused = client(ServingLimits(max_pixels=300 * 300 - 1)).post("/embed", files=files("images", content))
    assert refused.status_code == 422
    assert "0.089999 megapixels" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ({"files": [("other", ("a.png", b"x"))]}, 400),
        ({"files": [("images", ("a.png", b"x"))], "data": {"images": "text"}}, 400),
        ({"content": b"abc", "headers": {"Content-Type": "multipart/form-data; boundary=q"}}, 400),
        ({"content": b"abc", "headers": {"Content-Type": "image/png"}}, 415),
        ({"files": [("images", ("a.png", b""))]}, 422),
    ],
)
def test_what_is_no_request_is_refused_in_json(client, parts, status) -> None:
    refused = client().post("/embed", **parts)
    assert refused.status_code == status, refused.text
    assert refused.json()["error"]["status"] == status


def test_values_that_cannot_be_are_refused_in_json(client, pngs) -> None:
    refused = client().post("/find?k=0", files=files("questioned", pngs[0]))
    assert refused.status_code == 400
    assert "k: " in refused.json()["error"]["message"]


def test_an_unexpected_error_shows_no_path_and_no_traceback(client, pngs, monkeypatch) -> None:
    service = client()
    monkeypatch.setattr(
        "sigzoo.embedding.EmbeddingStream.begin", lambda *_: (_ for _ in ()).throw(OSError("/secret/path"))
    )
    refused = service.post("/embed", files=files("images", pngs[0]))
    assert refused.status_code == 500
    assert "secret" not in refused.text
    assert refused.json()["error"]["kind"] == "ServiceError"


@pytest.mark.parametrize(
    "limits",
    [{"max_images": 9, "max_queue": 8}, {"max_bytes": 0}, {"max_pixels": 10**9}, {"max_bytes": 1 << 40}],
)
def test_limits_that_do_not_go_together(limits) -> None:
    with pytest.raises(UsageError):
        ServingLimits(**limits)


def test_admission_takes_what_there_is_room_for() -> None:
    admission = Admission(ServingLimits(max_queue=10, max_images=10, max_bytes=100, max_held_bytes=100))
    with admission.hold_images(6), admission.hold_bytes(60):
        with pytest.raises(Overloaded) as refused, admission.hold_images(5):
            pass
        assert refused.value.seconds >= 1
        with pytest.raises(Overloaded), admission.hold_bytes(41):
            pass
        with admission.hold_images(4), pytest.raises(Overloaded), admission.hold_bytes(1):
            pass  # all places are taken: a body is not even read
    assert admission.images == admission.bytes == 0


def test_at_overload_requests_are_refused_with_a_time_and_none_is_lost(model, pngs) -> None:
    """20 requests at once, room for 8 images: each is answered, by features or by 429."""
    service = Service(model, ServingLimits(max_queue=8, max_images=4))

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(create_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await asyncio.gather(
                *(client.post("/embed", files=files("images", *pngs[:2])) for _ in range(20))
            )

    with service:
        answers = asyncio.run(ask())
    counts = {status: [each for each in answers if each.status_code == status] for status in (200, 429)}
    assert len(counts[200]) + len(counts[429]) == 20
    assert len(counts[200]) >= 4
    assert counts[429]
    assert all(int(each.headers["Retry-After"]) >= 1 for each in counts[429])
    wanted = model.embed(pngs[:2])
    for each in counts[200]:
        found = np.array([image["features"] for image in each.json()["images"]], np.float32)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)
    assert service.admission.images == service.admission.bytes == 0


def test_requests_share_batches(client, model, pngs, monkeypatch) -> None:
    """While the network is held up, images of eight requests gather, and then go through it together."""
    from sigzoo.embedding import EmbeddingStream

    may_go, sizes, begin = threading.Event(), [], EmbeddingStream.begin

    def held(self, images):
        sizes.append(len(images))
        may_go.wait(60)
        return begin(self, images)

    monkeypatch.setattr(EmbeddingStream, "begin", held)
    service = client(workers=1)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(service.post, "/embed", files=files("images", pngs[0]))
        _until(lambda: sizes == [1])
        rest = [pool.submit(service.post, "/embed", files=files("images", pngs[1])) for _ in range(8)]
        _until(lambda: service.get("/health").json()["images_in_hand"] == 9)
        time.sleep(0.5)  # for what is being prepared
        may_go.set()
        assert {each.result().status_code for each in [first, *rest]} == {200}
    assert sum(sizes) == 9
    assert max(sizes) >= 4, sizes


def test_an_image_alone_waits_for_nobody(client, pngs) -> None:
    service = client(ServingLimits(max_wait=3600))
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(service.post, "/embed", files=files("images", pngs[0]))
        assert asked.result(timeout=120).status_code == 200


def test_while_others_are_prepared_an_image_waits_for_them(client, pngs, monkeypatch) -> None:
    from sigzoo.embedding import EmbeddingStream
    from sigzoo.embedding.preparation import Preparation

    may_go, prepared, sizes = threading.Event(), [], []
    begin, prepare = EmbeddingStream.begin, Preparation.__call__

    def held(self, numbered):
        if prepared:
            may_go.wait(60)
        prepared.append(numbered)
        return prepare(self, numbered)

    def counted(self, images):
        sizes.append(len(images))
        return begin(self, images)

    monkeypatch.setattr(Preparation, "__call__", held)
    monkeypatch.setattr(EmbeddingStream, "begin", counted)
    service = client(ServingLimits(max_wait=3600), workers=1)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(service.post, "/embed", files=files("images", *pngs[:2]))
        _until(lambda: len(prepared) == 1)
        time.sleep(0.5)  # in which the first could go alone
        assert not sizes
        may_go.set()
        assert asked.result(timeout=120).status_code == 200
    assert sizes == [2]


def _until(true, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_service_that_is_told_to_end_answers_what_it_has_taken(pngs) -> None:
    """SIGTERM amid 12 requests: each that was taken is answered, and the exit status is 0."""
    with served() as (client, process), ThreadPoolExecutor(12) as pool:
        url = client.base_url
        asked = [
            pool.submit(httpx.post, f"{url}/embed", files=files("images", *pngs * 4), timeout=120)
            for _ in range(12)
        ]
        _until(lambda: client.get("/health").json()["images_in_hand"] > 0)
        process.terminate()
        answered = 0
        for each in asked:
            try:
                answer = each.result()
            except httpx.TransportError:
                continue  # it came too late to be taken
            assert answer.status_code == 200
            assert len(answer.json()["images"]) == 16
            answered += 1
        assert answered
        assert process.wait(120) == 0


def test_a_public_address_is_warned_of() -> None:
    with served("--host", "0.0.0.0") as (client, process):
        port = client.base_url.port
        assert httpx.get(f"http://127.0.0.1:{port}/health", timeout=60).status_code == 200
        process.terminate()
        _, errors = process.communicate(timeout=120)
    assert "no authentication" in errors


def test_answers_do_not_wait_for_acknowledgements() -> None:
    """Without TCP_NODELAY each answer took 40 ms more; asyncio sets it where the protocol is named."""
    with _listening("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP
