"""Answers of the service as OpenAPI shows them, cut short."""

from __future__ import annotations

from typing import Any

__all__ = ["EMBED", "ERROR", "FIND", "HEALTH", "VERIFY"]

EMBED: dict[str, Any] = {
    "model": "a-model",
    "layer": "embedding",
    "images": [{"name": "a.png", "features": [0.0231, -0.1034], "error": None, "warnings": []}],
}
VERIFY: dict[str, Any] = {
    "status": 0,
    "answers": [
        {
            "questioned": "q.png",
            "references": ["r1.png", "r2.png"],
            "model": "a-model",
            "layer": "embedding",
            "score_name": "cosine",
            "score": 0.81,
            "decision": "genuine",
            "likelihood_ratios": {
                "skilled": {
                    "log10": 1.1,
                    "against": "skilled",
                    "bounded": False,
                    "verbal": "moderate support",
                }
            },
            "warnings": [],
        }
    ],
}
FIND: dict[str, Any] = {
    "model": "a-model",
    "layer": "embedding",
    "found": [
        {
            "questioned": "q.png",
            "candidates": [
                {
                    "rank": 1,
                    "name": "writer-7",
                    "score": 0.83,
                    "references": ["writer-7/1.png"],
                    "nearest": "writer-7/1.png",
                    "log10_lr": 2.3,
                }
            ],
            "compared": 55,
        }
    ],
}
HEALTH: dict[str, Any] = {"status": "ok", "model": "a-model", "images_in_hand": 0}
ERROR: dict[str, Any] = {
    "error": {"kind": "ImageError", "message": "a.png: the file is empty.", "status": 422}
}
