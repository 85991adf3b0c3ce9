"""The bodies that we send to Bedrock, against the service's own model as botocore carries it."""

import base64
import json
import pathlib

import pytest

pytest.importorskip("botocore")

import botocore.session  # noqa: E402
from botocore.validate import ParamValidator  # noqa: E402

GOLDEN = pathlib.Path(__file__).parent.parent / "SluiceProvidersTests" / "Golden" / "bedrock"
BLOBS = {"bytes", "redactedContent"}


def cases():
    for file in sorted(GOLDEN.glob("request-*.json")):
        for case in json.loads(file.read_text()):
            if "body" in case:
                yield pytest.param(case, id=case["name"])


def with_blobs(value):
    """As boto3 takes it: bytes for what is base64 on the wire."""
    if isinstance(value, dict):
        return {
            name: base64.b64decode(part) if name in BLOBS and isinstance(part, str) else with_blobs(part)
            for name, part in value.items()
        }
    return [with_blobs(part) for part in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def shape():
    session = botocore.session.get_session()
    return session.get_service_model("bedrock-runtime").operation_model("Converse").input_shape


@pytest.mark.parametrize("case", list(cases()))
def test_a_body_is_what_the_service_model_takes(shape, case):
    body = {"modelId": "anthropic.claude-v2", **with_blobs(case["body"])}
    report = ParamValidator().validate(body, shape)
    assert not report.has_errors(), report.generate_report()
    # The validator does not look at ranges from above, lengths of lists or patterns of names.
    inference = body.get("inferenceConfig", {})
    if case.get("policy") != "pass":
        assert 0 <= inference.get("temperature", 0) <= 1
    for turn, after in zip(body["messages"], body["messages"][1:]):
        assert turn["role"] != after["role"]


def test_the_cases_are_many():
    assert len(list(cases())) > 40
