"""What the service answers is what the library and the commands say of the same images."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from sigzoo.cli import run as run_command
from sigzoo.verification.gallery import Gallery
from sigzoo.verification.ranking import group_files

from .conftest import files, served


def test_features_are_those_of_the_library(client, model, signatures, pngs) -> None:
    answer = client().post("/embed", files=files("images", *pngs)).json()
    assert [each["name"] for each in answer["images"]] == ["0.png", "1.png", "2.png", "3.png"]
    found = np.array([each["features"] for each in answer["images"]], np.float32)
    np.testing.assert_allclose(found, model.embed(signatures), rtol=0, atol=1e-6)
    assert answer["layer"] == model.card.features.layer


def test_another_layer(client, model, signatures, pngs) -> None:
    answer = client().post("/embed?layer=embedding", files=files("images", pngs[0])).json()
    found = np.array(answer["images"][0]["features"], np.float32)
    np.testing.assert_allclose(found, model.embed(signatures[0], layer="embedding")[0], rtol=0, atol=1e-6)
    refused = client().post("/embed?layer=nothing", files=files("images", pngs[0]))
    assert refused.status_code == 400
    assert "nothing" in refused.json()["error"]["message"]


def test_verify_answers_as_the_command_does(client, signatures, pngs, capsys, monkeypatch) -> None:
    monkeypatch.chdir(signatures[0].parent)
    status = run_command(["verify", "-r", "s0.png", "-r", "s1.png", "s2.png", "--json", "--far", "0.05"])
    said = json.loads(capsys.readouterr().out)
    from sigzoo.verification import read_calibration

    service = client(calibration=read_calibration(_calibration()))
    parts = [("references", ("s0.png", pngs[0])), ("references", ("s1.png", pngs[1]))]
    parts += [("questioned", ("s2.png", pngs[2]))]
    answer = service.post("/verify?far=0.05", files=parts).json()
    assert answer["status"] == status == said["status"]
    _same(answer["answers"][0], said["answers"][0])


def _calibration() -> Path:
    import sigzoo

    file = sigzoo.load().calibration_file
    assert file is not None
    return file


def _same(found: object, wanted: object) -> None:
    """Compare JSON, numbers to what batches of another size change."""
    if isinstance(wanted, dict):
        assert isinstance(found, dict)
        assert set(found) == set(wanted)
        for key in wanted:
            _same(found[key], wanted[key])
    elif isinstance(wanted, list):
        assert isinstance(found, list)
        assert len(found) == len(wanted)
        for mine, other in zip(found, wanted, strict=True):
            _same(mine, other)
    elif isinstance(wanted, float):
        assert found == pytest.approx(wanted, abs=1e-4)
    else:
        assert found == wanted


def test_verify_refuses_what_the_library_refuses(client, pngs) -> None:
    service = client()
    parts = [("references", ("a.png", pngs[0])), ("questioned", ("b.png", pngs[0]))]
    answer = service.post("/verify", files=parts)
    assert answer.status_code == 400
    assert "pixel by pixel" in answer.json()["error"]["message"]
    parts[1] = ("questioned", ("b.png", b"no image"))
    assert service.post("/verify", files=parts).status_code == 422


def test_find_ranks_as_distances_do(client, model, signatures, pngs) -> None:
    features = model.embed(signatures, layer="embedding")
    names = [path.name for path in signatures]
    gallery = Gallery(features, names, group_files(names, ""), "embedding", model.score, None)
    found = client(gallery=gallery).post("/find?k=2", files=files("questioned", pngs[3])).json()["found"][0]
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    order = [names[place] for place in np.argsort(-(unit @ unit[3])) if place != 3]
    assert [each["name"] for each in found["candidates"]] == order[:2]
    assert found["compared"] == 3


def test_find_in_an_index_lists_the_nearest(signatures, pngs, tmp_path) -> None:
    features, index = tmp_path / "features.npz", tmp_path / "index"
    folder = signatures[0].parent
    assert run_command(["embed", str(folder), "--layer", "embedding", "-o", str(features)]) == 0
    assert run_command(["index", str(features), "-o", str(index)]) == 0
    with served("--index", index) as (client, _):
        answer = client.post("/find?k=2", files=files("questioned", pngs[3])).json()
    first, second = answer["found"][0]["matches"]
    assert Path(first["path"]).name == "s3.png"
    assert first["similarity"] == pytest.approx(1, abs=1e-5)
    assert second["similarity"] < first["similarity"]
    assert (answer["compared"], answer["recall"]) == (4, 1.0)


def test_without_a_gallery_there_is_nobody_to_find(client, pngs) -> None:
    answer = client().post("/find", files=files("questioned", pngs[0]))
    assert answer.status_code == 400
    assert "--among" in answer.json()["error"]["message"]


def test_an_image_that_cannot_be_used_refuses_all_or_is_skipped(client, pngs) -> None:
    service = client()
    parts = files("images", pngs[0], b"GIF89a and no more", pngs[1])
    refused = service.post("/embed", files=parts)
    assert refused.status_code == 422
    assert refused.json()["error"]["message"].startswith("1.png: ")
    images = service.post("/embed?on_error=skip", files=parts).json()["images"]
    assert [each["features"] is None for each in images] == [False, True, False]
    assert images[1]["error"].startswith("1.png: ")


def test_warnings_come_with_the_image_that_they_are_of(client, pngs, draw) -> None:
    page, file = Image.fromarray(draw(1)), io.BytesIO()
    page.save(file, "TIFF", save_all=True, append_images=[page])
    images = client().post("/embed", files=files("images", pngs[0], file.getvalue())).json()["images"]
    assert images[0]["warnings"] == []
    assert any("pages" in each for each in images[1]["warnings"])


def test_names_are_without_folders_and_harmless(client, pngs) -> None:
    sent = [("images", ("../../etc/\x1b[31mred.png", pngs[0])), ("images", ("C:\\scans\\b.png", pngs[1]))]
    names = [each["name"] for each in client().post("/embed", files=sent).json()["images"]]
    assert names[1] == "b.png"
    assert "\x1b" not in names[0]
    assert "/" not in names[0]


def test_health_model_and_metrics(client, model, pngs) -> None:
    service = client()
    service.post("/embed", files=files("images", *pngs))
    service.get("/made/up")
    assert service.get("/health").json() == {"status": "ok", "model": model.name, "images_in_hand": 0}
    described = service.get("/model").json()
    assert described["features"] == model.provenance()
    assert described["limits"]["max_images"] == 64
    samples = {
        (sample.name, sample.labels.get("path"), sample.labels.get("status")): sample.value
        for family in text_string_to_metric_families(service.get("/metrics").text)
        for sample in family.samples
    }
    assert samples["sigzoo_requests_total", "/embed", "200"] == 1
    assert samples["sigzoo_requests_total", "other", "404"] == 1
    assert samples["sigzoo_batch_images_sum", None, None] == 4
    assert not any(path == "/made/up" for _, path, _ in samples)


def test_openapi_describes_every_address_with_an_example(client) -> None:
    described = client().get("/openapi.json").json()
    assert set(described["paths"]) == {"/embed", "/verify", "/find", "/health", "/model", "/metrics"}
    for path in ("/embed", "/verify", "/find"):
        post = described["paths"][path]["post"]
        assert "multipart/form-data" in post["requestBody"]["content"]
        assert post["responses"]["200"]["content"]["application/json"]["example"]
        assert "429" in post["responses"]


def test_the_command_serves_and_ends_well(signatures, pngs) -> None:
    with served("--among", signatures[0].parent) as (client, process):
        answer = client.post("/find", files=files("questioned", pngs[0])).json()
        names = {each["name"] for each in answer["found"][0]["candidates"]}
        assert names == {"s1.png", "s2.png", "s3.png"}
        process.terminate()
        assert process.wait(120) == 0
