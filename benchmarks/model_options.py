"""Options of benchmarks that embed files by one model, each in a process of its own."""

from __future__ import annotations

import argparse
import warnings

import sigzoo

__all__ = ["load_model", "model_parser"]


def model_parser(description: str) -> argparse.ArgumentParser:
    """Files, and the model that embeds them."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("files", nargs="+")
    parser.add_argument("-m", "--model")
    parser.add_argument("--runtime", default="torch")
    parser.add_argument("--weights")
    return parser


def load_model(options: argparse.Namespace) -> sigzoo.SignatureModel:
    """Load it on the CPU; scans that look odd are not warned of."""
    warnings.simplefilter("ignore")
    return sigzoo.load(options.model, device="cpu", runtime=options.runtime, weights=options.weights)
