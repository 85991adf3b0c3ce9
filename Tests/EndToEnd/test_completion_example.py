"""The example program of the Swift library against the simulated backend."""

import os
import subprocess

import pytest

from runtime import ROOT


@pytest.fixture(scope="module")
def example():
    subprocess.run(["swift", "build", "--product", "completion-example"], cwd=ROOT, check=True, capture_output=True)
    return ROOT / ".build" / "debug" / "completion-example"


def run(example, url, model):
    clean = {key: value for key, value in os.environ.items() if not key.startswith("OPENAI_")}
    return subprocess.run(
        [str(example), model, "Hello"], capture_output=True, text=True, timeout=60,
        env={**clean, "OPENAI_BASE_URL": url, "OPENAI_API_KEY": "k"})


def test_it_asks_streams_embeds_and_ends(example, mock):
    result = run(example, mock.url + "/v1", "openai/mock")
    assert result.returncode == 0, result.stdout + result.stderr
    whole, stream, embeddings = result.stdout.strip().split("\n")
    assert len(whole) > len("whole: ") and len(stream) > len("stream: ")
    assert embeddings == "embeddings: 2"


def test_an_error_is_told_by_its_kind(example):
    result = run(example, "http://127.0.0.1:1/v1", "anthropc/m")
    assert result.returncode == 1
    assert result.stdout.startswith("error: unsupported_provider")
    assert "'anthropic'" in result.stdout
