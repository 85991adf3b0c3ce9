"""AWS's SDK straight at the simulated provider: signatures, checksums and all."""

import json

import boto3
import botocore.exceptions
import pytest
from botocore.config import Config

from wire import PERSON, WEATHER, WORDS, fingerprint, png, requests

CLAUDE = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
ARN = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
HELLO = [{"role": "user", "content": [{"text": "hello"}]}]
TOOLS = {"tools": [{"toolSpec": {"name": "weather", "description": "The weather", "inputSchema": {"json": WEATHER}}}]}
KEY = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")


def made(mock, id=KEY[0], secret=KEY[1], token=None):
    return boto3.client(
        "bedrock-runtime", region_name="eu-west-1", endpoint_url=mock.url, aws_access_key_id=id,
        aws_secret_access_key=secret, aws_session_token=token,
        config=Config(retries={"max_attempts": 1, "mode": "standard"}))


@pytest.fixture
def client(mock, monkeypatch):
    monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK", raising=False)  # it would go before the key pair
    return made(mock)


def collected(events):
    """The events by their names, the text, the input of tools, and the reason for the end."""
    names, text, inputs, end = [], "", {}, None
    for event in events:
        (name, body), = event.items()
        names.append(name)
        if name == "contentBlockDelta":
            text += body["delta"].get("text", "")
            if "toolUse" in body["delta"]:
                index = body["contentBlockIndex"]
                inputs[index] = inputs.get(index, "") + body["delta"]["toolUse"]["input"]
        elif name == "messageStop":
            end = body["stopReason"]
    return names, text, inputs, end


@pytest.mark.parametrize("model", [CLAUDE, ARN, "mistral.mock"])
def test_converse_with_a_signature(client, model):
    answer = client.converse(modelId=model, messages=HELLO)
    assert answer["output"]["message"]["content"][0]["text"] == WORDS and answer["stopReason"] == "end_turn"
    assert answer["usage"]["outputTokens"] == 16 and answer["ResponseMetadata"]["RequestId"]


@pytest.mark.parametrize("model", [CLAUDE, ARN])
def test_stream(client, model):
    names, text, _, end = collected(client.converse_stream(modelId=model, messages=HELLO)["stream"])
    assert (text, end) == (WORDS, "end_turn")
    assert names[0] == "messageStart" and names[-2:] == ["messageStop", "metadata"] and "contentBlockStart" not in names


def test_signatures_are_checked(mock, client):
    def refused(one):
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            one.converse(modelId=CLAUDE, messages=HELLO)
        return caught.value.response["Error"]["Code"]

    assert refused(made(mock, secret="wrong")) == "InvalidSignatureException"
    assert refused(made(mock, id="AKIDWRONG")) == "UnrecognizedClientException"
    assert made(mock, token="session").converse(modelId=CLAUDE, messages=HELLO)["stopReason"] == "end_turn"
    assert mock.call("POST", "/model/x/converse", {"messages": HELLO})[0] == 403
    assert "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/" in requests(mock)[-2]["headers"]["authorization"]


def test_a_bearer_token(mock):
    """By hand: the SDK sends none without TLS."""
    bearer = {"Authorization": "Bearer bedrock-api-key-1"}
    assert mock.call("POST", f"/model/{CLAUDE}/converse", {"messages": HELLO}, bearer)[2]["stopReason"] == "end_turn"
    assert fingerprint("bedrock-api-key-1") in requests(mock)[-1]["headers"]["authorization"]
    mock.behave(key="other")
    status, headers, _ = mock.call("POST", f"/model/{CLAUDE}/converse", {"messages": HELLO}, bearer)
    assert status == 403 and "AccessDeniedException" in str(headers)


@pytest.mark.parametrize("stream", [False, True])
def test_tools_and_thoughts_go_round(client, stream):
    question = [{"role": "user", "content": [{"text": "use weather for 'Oslo' in 3 days"}]}]
    ask = {"modelId": CLAUDE, "messages": question, "toolConfig": TOOLS,
           "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}}
    whole = client.converse(**ask)["output"]["message"]
    thought, call = whole["content"]
    assert call["toolUse"]["input"] == {"city": "Oslo", "days": 3}
    if stream:
        names, _, inputs, end = collected(client.converse_stream(**ask)["stream"])
        assert json.loads(inputs[1]) == {"city": "Oslo", "days": 3} and end == "tool_use"
        assert names.count("contentBlockStart") == 1
    result = {"role": "user", "content": [
        {"toolResult": {"toolUseId": call["toolUse"]["toolUseId"], "content": [{"json": {"sky": "rain"}}]}}]}
    assert client.converse(**{**ask, "messages": [*question, whole, result]})["stopReason"] == "end_turn"
    with pytest.raises(client.exceptions.ValidationException, match="toolConfig"):
        client.converse(modelId=CLAUDE, messages=[*question, whole, result])
    with pytest.raises(client.exceptions.ValidationException, match="Expected toolResult"):
        client.converse(**{**ask, "messages": [*question, whole, *question]})
    thought["reasoningContent"]["reasoningText"]["signature"] = "forged"
    with pytest.raises(client.exceptions.ValidationException, match="signature"):
        client.converse(**{**ask, "messages": [*question, whole, result]})


def test_structured_output_images_and_documents(client):
    answer = client.converse(
        modelId=CLAUDE, messages=[{"role": "user", "content": [
            {"image": {"format": "png", "source": {"bytes": png()}}},
            {"document": {"format": "pdf", "name": "a paper", "source": {"bytes": b"%PDF-1.7 words"}}},
            {"text": "'Ada' is 36"}]}],
        outputConfig={"textFormat": {"type": "json_schema", "structure": {
            "jsonSchema": {"schema": json.dumps(PERSON), "name": "person"}}}})
    assert answer["output"]["message"]["content"][0]["text"] == '{"name":"Ada","age":36}'
    with pytest.raises(client.exceptions.ValidationException, match="Could not process image"):
        client.converse(modelId=CLAUDE, messages=[{"role": "user", "content": [
            {"image": {"format": "jpeg", "source": {"bytes": png()}}}, {"text": "x"}]}])


def test_ends(client, mock):
    assert client.converse(
        modelId=CLAUDE, messages=HELLO, inferenceConfig={"maxTokens": 3})["stopReason"] == "max_tokens"
    assert client.converse(modelId=CLAUDE, messages=HELLO, inferenceConfig={
        "stopSequences": [" dolor"]})["stopReason"] == "stop_sequence"
    mock.behave(blocked=True)
    assert client.converse(modelId=CLAUDE, messages=HELLO)["stopReason"] == "guardrail_intervened"
    mock.behave(refusal=True)
    assert client.converse(modelId=CLAUDE, messages=HELLO)["stopReason"] == "content_filtered"
    mock.behave(finish="malformed_tool_use", cached_tokens=7, cache_write_tokens=3)
    answer = client.converse(modelId=CLAUDE, messages=HELLO)
    assert answer["stopReason"] == "malformed_tool_use" and answer["usage"]["cacheReadInputTokens"] == 7
    assert answer["usage"]["cacheWriteInputTokens"] == 3


@pytest.mark.parametrize(("status", "code"), [
    (400, "ValidationException"), (403, "AccessDeniedException"), (404, "ResourceNotFoundException"),
    (408, "ModelTimeoutException"), (424, "ModelErrorException"), (429, "ThrottlingException"),
    (500, "InternalServerException"), (503, "ServiceUnavailableException")])
def test_errors(client, mock, status, code):
    mock.behave(status=status)
    for call in (client.converse, client.converse_stream):
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            call(modelId=CLAUDE, messages=HELLO)
        assert caught.value.response["Error"]["Code"] == code
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_an_exception_in_mid_stream(client, mock):
    mock.behave(error_mid_stream=True)
    with pytest.raises(botocore.exceptions.EventStreamError, match="throttlingException"):
        collected(client.converse_stream(modelId=CLAUDE, messages=HELLO)["stream"])


@pytest.mark.parametrize("fault", ["truncated", "no_end"])
def test_a_stream_that_lacks_its_end(client, mock, fault):
    mock.behave(**{fault: True})
    names, text, _, end = collected(client.converse_stream(modelId=CLAUDE, messages=HELLO)["stream"])
    assert text and end is None and "metadata" not in names


def test_any_split_of_the_bytes(client, mock):
    for size in (1, 3, 64):
        mock.behave(split_bytes=size)
        assert collected(client.converse_stream(modelId=CLAUDE, messages=HELLO)["stream"])[1] == WORDS


@pytest.mark.parametrize(("change", "words"), [
    ({"messages": []}, "start with a user message"), ({"messages": HELLO * 2}, "alternate"),
    ({"messages": [{"role": "user", "content": [{"text": " "}]}]}, "blank"),
    ({"messages": [{"role": "user", "content": [{"text": "a", "cachePoint": {"type": "default"}}]}]}, "exactly one"),
    ({"max_tokens": 5}, "max_tokens"), ({"inferenceConfig": {"topK": 5}}, "inferenceConfig.topK"),
    ({"toolConfig": {"tools": []}}, "toolConfig.tools"),
    ({"toolConfig": {**TOOLS, "toolChoice": {"none": {}}}}, "toolChoice"),
    ({"messages": [{"role": "user", "content": [
        {"document": {"format": "pdf", "name": "a.pdf", "source": {"bytes": "JVBERi0="}}}, {"text": "x"}]}]}, "file name"),
])
def test_what_a_wrong_translation_is_told(mock, change, words):
    status, headers, body = mock.call(
        "POST", f"/model/{CLAUDE}/converse", {"messages": HELLO, **change}, {"Authorization": "Bearer k"})
    assert status == 400 and words in body["message"], body
    assert {k.lower(): v for k, v in headers.items()}["x-amzn-errortype"].startswith("ValidationException:")


def test_forced_tools_are_for_some_models_only(client):
    forced = {**TOOLS, "toolChoice": {"any": {}}}
    assert client.converse(modelId=CLAUDE, messages=HELLO, toolConfig=forced)["stopReason"] == "tool_use"
    with pytest.raises(client.exceptions.ValidationException, match="toolChoice"):
        client.converse(modelId="meta.llama4-scout-17b-instruct-v1:0", messages=HELLO, toolConfig=forced)
