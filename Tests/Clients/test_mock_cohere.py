"""Cohere's SDK straight at the simulated provider."""

import cohere
import pytest

from wire import PERSON, PNG, WEATHER, WORDS, fingerprint, requests

HELLO = [{"role": "user", "content": "hello"}]
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "The weather", "parameters": WEATHER}}]


@pytest.fixture
def client(mock):
    return cohere.ClientV2(api_key="co-key", base_url=mock.url, timeout=20)


def collected(events):
    """A stream as a message: texts, tool calls, and the last event."""
    text, calls, kinds, last = "", [], [], None
    for event in events:
        kinds.append(event.type)
        last = event
        if event.type == "content-delta":
            text += event.delta.message.content.text or ""
        elif event.type == "tool-call-start":
            call = event.delta.message.tool_calls
            calls.append([call.id, call.function.name, call.function.arguments])
        elif event.type == "tool-call-delta":
            calls[event.index][2] += event.delta.message.tool_calls.function.arguments
    return text, calls, kinds, last


def test_chat(client):
    answer = client.chat(model="command-mock", messages=HELLO)
    assert answer.message.content[0].text == WORDS and answer.finish_reason == "COMPLETE"
    assert answer.usage.billed_units.output_tokens == 16
    assert answer.usage.tokens.input_tokens == answer.usage.billed_units.input_tokens + 10


def test_stream(client):
    text, _, kinds, last = collected(client.chat_stream(model="command-mock", messages=HELLO))
    assert text == WORDS and kinds[0] == "message-start" and kinds[-1] == "message-end"
    assert last.delta.finish_reason == "COMPLETE" and last.delta.usage.tokens.output_tokens == 16


@pytest.mark.parametrize("stream", [False, True])
def test_tools_go_round(client, stream):
    question = [{"role": "user", "content": "for 'Oslo' in 3 days"}]
    ask = {"model": "command-mock", "messages": question, "tools": TOOLS, "tool_choice": "REQUIRED"}
    if stream:
        _, calls, kinds, last = collected(client.chat_stream(**ask))
        assert "tool-plan-delta" in kinds and last.delta.finish_reason == "TOOL_CALL"
        id, name, arguments = calls[0]
    else:
        answer = client.chat(**ask)
        assert answer.finish_reason == "TOOL_CALL" and answer.message.tool_plan
        call = answer.message.tool_calls[0]
        id, name, arguments = call.id, call.function.name, call.function.arguments
    assert (name, arguments) == ("weather", '{"city":"Oslo","days":3}')
    turn = {"role": "assistant", "tool_plan": "x", "tool_calls": [
        {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}]}
    result = {"role": "tool", "tool_call_id": id, "content": [{"type": "document", "document": {"data": "rain"}}]}
    assert client.chat(model="command-mock", messages=[*question, turn, result], tools=TOOLS).message.content
    with pytest.raises(cohere.errors.BadRequestError, match="missing tool response"):
        client.chat(model="command-mock", messages=[*question, turn, *question], tools=TOOLS)


def test_thinking(client):
    answer = client.chat(model="command-mock", messages=HELLO, thinking={"type": "enabled", "token_budget": 100})
    assert [part.type for part in answer.message.content] == ["thinking", "text"]
    events = list(client.chat_stream(model="command-mock", messages=HELLO, thinking={"type": "enabled"}))
    assert [e.delta.message.content.type for e in events if e.type == "content-start"] == ["thinking", "text"]


def test_structured_output(client):
    answer = client.chat(
        model="command-mock", messages=[{"role": "user", "content": "'Ada' is 36"}],
        response_format={"type": "json_object", "json_schema": PERSON})
    assert answer.message.content[0].text == '{"name":"Ada","age":36}'


def test_citations(client):
    answer = client.chat(model="command-mock", messages=HELLO, documents=["words"])
    assert answer.message.citations[0].sources[0].id == "doc:0"
    kinds = collected(client.chat_stream(model="command-mock", messages=HELLO, documents=["words"]))[2]
    assert "citation-start" in kinds and "citation-end" in kinds


def test_ends(client):
    assert client.chat(model="command-mock", messages=HELLO, max_tokens=3).finish_reason == "MAX_TOKENS"
    assert client.chat(model="command-mock", messages=HELLO, stop_sequences=[" dolor"]).finish_reason == "STOP_SEQUENCE"


def test_embeddings(client):
    answer = client.embed(
        model="embed-mock", texts=["a", "b"], input_type="search_query", embedding_types=["float", "int8"])
    assert len(answer.embeddings.float_) == 2 and len(answer.embeddings.int8) == 2


@pytest.mark.parametrize(("status", "error"), [
    (400, "BadRequestError"), (401, "UnauthorizedError"), (403, "ForbiddenError"), (404, "NotFoundError"),
    (422, "UnprocessableEntityError"), (429, "TooManyRequestsError"), (500, "InternalServerError"),
    (503, "ServiceUnavailableError"), (504, "GatewayTimeoutError")])
def test_errors(client, status, error):
    with pytest.raises(getattr(cohere.errors, error)) as caught:
        client.chat(model="command-mock", messages=HELLO, request_options={
            "additional_headers": {"x-mock-status": str(status)}, "max_retries": 0})
    assert caught.value.status_code == status and "simulated" in str(caught.value.body)


def test_an_error_in_mid_stream(client, mock):
    mock.behave(error_mid_stream=True)
    last = collected(client.chat_stream(model="command-mock", messages=HELLO))[3]
    assert last.type == "message-end" and last.delta.finish_reason == "ERROR" and last.delta.error


@pytest.mark.parametrize("fault", ["truncated", "no_end"])
def test_a_stream_that_lacks_its_end(client, mock, fault):
    mock.behave(**{fault: True})
    assert "message-end" not in collected(client.chat_stream(model="command-mock", messages=HELLO))[2]


def test_any_split_of_the_bytes(client, mock):
    for size in (1, 3, 64):
        mock.behave(split_bytes=size, pings=2)
        assert collected(client.chat_stream(model="command-mock", messages=HELLO))[0] == WORDS


def test_keys_and_images(client, mock):
    client.chat(model="command-mock", messages=[{"role": "user", "content": [
        {"type": "text", "text": "what"}, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}]}])
    assert fingerprint("co-key") in str(requests(mock)[-1]["headers"])
    mock.behave(key="right")
    with pytest.raises(cohere.errors.UnauthorizedError, match="invalid api token"):
        client.chat(model="command-mock", messages=HELLO)


@pytest.mark.parametrize(("change", "status", "words"), [
    ({"messages": []}, 400, "messages"), ({"top_p": 0.5}, 422, "top_p"), ({"stop": ["x"]}, 422, "stop"),
    ({"tool_choice": "auto", "tools": TOOLS}, 400, "tool_choice"), ({"n": 2}, 422, "'n'"),
    ({"stop_sequences": "x"}, 400, "stop_sequences"), ({"p": 1.0}, 400, "p "),
    ({"response_format": {"type": "json_object"}, "tools": TOOLS}, 400, "cannot specify response_format"),
    ({"messages": [{"role": "developer", "content": "x"}]}, 400, "messages.0.role"),
    ({"messages": [{"role": "tool", "tool_call_id": "a", "content": "x"}]}, 400, "tool_call_id"),
])
def test_what_a_wrong_translation_is_told(mock, change, status, words):
    answer = mock.call("POST", "/v2/chat", {"model": "m", "messages": HELLO, **change}, {"Authorization": "Bearer k"})
    assert answer[0] == status and words in answer[2]["message"], answer
