"""Anthropic's official SDK, unchanged, in front of OpenAI-compatible servers."""

import asyncio
import json

import anthropic
import pytest

from runtime import run_async

HELLO = [{"role": "user", "content": "hello"}]
WEATHER = {"name": "weather", "description": "The weather of a city",
           "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}
ASK = {"model": "mock", "max_tokens": 100}


@pytest.fixture
def client(runtime):
    return anthropic.Anthropic(base_url=runtime.url, api_key="none", max_retries=0)


def mocked(**behaviour):
    return [{"role": "user", "content": "mock:" + json.dumps(behaviour)}]


def answered(message=None, finish="stop", usage=None):
    """A whole answer of an OpenAI-compatible server."""
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": None, **(message or {})},
                         "finish_reason": finish}],
            "usage": usage or {"prompt_tokens": 12, "completion_tokens": 6, "total_tokens": 18}}


def streamed(deltas, finish="stop", usage=None, done=True):
    """The same as a stream."""
    frame = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    chunks = [{"delta": {"role": "assistant", "content": ""}, "finish_reason": None}]
    chunks += [{"delta": delta, "finish_reason": None} for delta in deltas]
    if done:
        chunks.append({"delta": {}, "finish_reason": finish})
    events = [{**frame, "choices": [{"index": 0, **chunk}]} for chunk in chunks]
    if done:
        usage = usage or {"prompt_tokens": 12, "completion_tokens": 6, "total_tokens": 18}
        events.append({**frame, "choices": [], "usage": usage})
    text = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + ("data: [DONE]\n\n" if done else "")
    return 200, text.encode(), {"Content-Type": "text/event-stream"}


@pytest.fixture
def scripted(start, backend):
    """A runtime in front of a server that answers what a test says, and that server."""

    def begin(whole, stream=None, **options):
        server = backend(lambda seen: stream if seen.body.get("stream") and stream else whole)
        runtime = start(f"{server.url}/v1")
        return anthropic.Anthropic(base_url=runtime.url, api_key="none", max_retries=0, **options), server

    return begin


# Whole answers


def test_message(client):
    message = client.messages.create(**ASK, messages=HELLO, system="Be brief.")
    assert message.type == "message" and message.role == "assistant" and message.model == "mock"
    assert message.content[0].type == "text" and message.content[0].text
    assert message.stop_reason in ("end_turn", "max_tokens")
    assert message.usage.input_tokens > 0 and message.usage.output_tokens == 16


def test_headers_reach_the_client(client):
    raw = client.messages.with_raw_response.create(**ASK, messages=HELLO)
    assert raw.headers["x-sluice-request-id"].startswith("req_")


def test_what_the_backend_sees(scripted):
    client, server = scripted(answered({"content": "ok"}))
    client.messages.create(
        model="m", max_tokens=50, system=[{"type": "text", "text": "S"}], stop_sequences=["END"], metadata={"user_id": "u"},
        tools=[WEATHER], tool_choice={"type": "any", "disable_parallel_tool_use": True},
        messages=[{"role": "user", "content": [
            {"type": "text", "text": "A"},
            {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}]}])
    sent = server.seen[-1].body
    assert sent["messages"] == [
        {"role": "system", "content": "S"},
        {"role": "user", "content": [
            {"type": "text", "text": "A"}, {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]}]
    assert sent["tools"][0]["function"]["parameters"] == WEATHER["input_schema"]
    assert sent["tool_choice"] == "required" and sent["parallel_tool_calls"] is False
    assert sent["stop"] == ["END"] and sent["user"] == "u"
    assert sent.get("max_tokens") == 50 or sent.get("max_completion_tokens") == 50


def test_tools_through_a_whole_conversation(scripted):
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
    client, server = scripted(answered({"tool_calls": [call]}, "tool_calls"))
    first = client.messages.create(model="m", max_tokens=50, tools=[WEATHER], messages=HELLO)
    assert first.stop_reason == "tool_use"
    assert (first.content[0].id, first.content[0].name, first.content[0].input) == ("call_1", "weather", {"city": "Rome"})
    client.messages.create(model="m", max_tokens=50, tools=[WEATHER], messages=[
        *HELLO, {"role": "assistant", "content": first.content},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "call_1", "content": "Sun"}, {"type": "text", "text": "And?"}]}])
    sent = server.seen[-1].body["messages"]
    assert json.loads(sent[1]["tool_calls"][0]["function"]["arguments"]) == {"city": "Rome"}
    assert sent[2]["role"] == "tool" and sent[2]["tool_call_id"] == "call_1" and sent[2]["content"] == "Sun"
    assert sent[3] == {"role": "user", "content": "And?"}


def test_thinking_whole(scripted):
    client, server = scripted(answered({"reasoning_content": "Hm", "content": "42"}))
    message = client.messages.create(
        model="m", max_tokens=4000, thinking={"type": "enabled", "budget_tokens": 2000}, messages=HELLO)
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[0].thinking == "Hm" and message.content[1].text == "42"
    # What was thought may come back in the next turn.
    client.messages.create(model="m", max_tokens=4000, messages=[
        *HELLO, {"role": "assistant", "content": message.content}, *HELLO])


def test_usage_with_a_cache(scripted):
    usage = {"prompt_tokens": 100, "completion_tokens": 6, "total_tokens": 106,
             "prompt_tokens_details": {"cached_tokens": 70}, "completion_tokens_details": {"reasoning_tokens": 2}}
    client, _ = scripted(answered({"content": "A"}, usage=usage))
    told = client.messages.create(model="m", max_tokens=50, messages=HELLO).usage
    assert (told.input_tokens, told.cache_read_input_tokens, told.output_tokens) == (30, 70, 6)
    assert told.output_tokens_details.thinking_tokens == 2


def test_a_schema_for_the_answer(scripted):
    client, server = scripted(answered({"content": '{"age": 7}'}))
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}, "additionalProperties": False}
    message = client.messages.create(
        model="m", max_tokens=50, messages=HELLO, output_config={"format": {"type": "json_schema", "schema": schema}})
    assert json.loads(message.content[0].text) == {"age": 7}
    assert server.seen[-1].body["response_format"]["json_schema"]["schema"] == schema


# Streams


def test_stream(client):
    with client.messages.stream(**ASK, messages=HELLO) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert text and message.content[0].text == text
    assert message.usage.output_tokens == 16 and message.stop_reason


def test_events_of_a_stream(client):
    kinds = [event.type for event in client.messages.create(**ASK, messages=HELLO, stream=True)]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(kinds[2:-3]) == {"content_block_delta"}


def test_tools_in_a_stream(scripted):
    def part(index, **function):
        return {"tool_calls": [{"index": index, "function": function}]}

    def begin(index, id, name):
        return {"tool_calls": [{"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": ""}}]}

    deltas = [{"content": "I look."}, begin(0, "call_1", "weather"), part(0, arguments='{"ci'),
              part(0, arguments='ty": "Rome"}'), begin(1, "call_2", "now")]
    client, _ = scripted(None, streamed(deltas, "tool_calls"))
    with client.messages.stream(model="m", max_tokens=50, tools=[WEATHER], messages=HELLO) as stream:
        message = stream.get_final_message()
    assert [block.type for block in message.content] == ["text", "tool_use", "tool_use"]
    assert message.content[1].input == {"city": "Rome"} and message.content[2].input == {}
    assert message.content[2].id == "call_2" and message.stop_reason == "tool_use"


def test_thinking_in_a_stream(scripted):
    deltas = [{"reasoning_content": "H"}, {"reasoning_content": "m"}, {"content": "42"}]
    client, _ = scripted(None, streamed(deltas))
    with client.messages.stream(model="m", max_tokens=50, messages=HELLO) as stream:
        message = stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[0].thinking == "Hm" and message.content[1].text == "42"
    assert message.usage.input_tokens == 12 and message.usage.output_tokens == 6


def test_async(runtime):
    async def run():
        async with anthropic.AsyncAnthropic(base_url=runtime.url, api_key="none") as client:
            answers = await asyncio.gather(*[client.messages.create(**ASK, messages=HELLO) for _ in range(20)])
            stream = await client.messages.create(**ASK, messages=HELLO, stream=True)
            return answers, [event async for event in stream]

    answers, events = run_async(run())
    assert len(answers) == 20 and events[-1].type == "message_stop"


def test_a_stream_cut_off_before_its_end_is_an_error(scripted):
    client, _ = scripted(None, streamed([{"content": "Hel"}], done=False))
    with pytest.raises(anthropic.APIError):
        with client.messages.stream(model="m", max_tokens=50, messages=HELLO) as stream:
            stream.get_final_message()


def test_an_error_in_a_stream(client):
    with pytest.raises(anthropic.APIError):
        for _ in client.messages.create(**ASK, messages=mocked(error_mid_stream=True), stream=True):
            pass


# Errors


@pytest.mark.parametrize(
    ("behaviour", "error", "type"),
    [
        ({"status": 400}, anthropic.BadRequestError, "invalid_request_error"),
        ({"status": 403}, anthropic.PermissionDeniedError, "permission_error"),
        ({"status": 404}, anthropic.NotFoundError, "not_found_error"),
        ({"status": 413}, anthropic.APIStatusError, "request_too_large"),
        ({"status": 422}, anthropic.UnprocessableEntityError, "invalid_request_error"),
        ({"status": 500}, anthropic.InternalServerError, None),
    ],
)
def test_error_classes(client, behaviour, error, type):
    with pytest.raises(error) as caught:
        client.messages.create(**ASK, messages=mocked(**behaviour))
    assert caught.value.body["type"] == "error" and caught.value.body["error"]["message"]
    if type:
        assert caught.value.body["error"]["type"] == type


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "bot", "content": "x"}]}, "messages[0].role"),
        ({"tools": [{"name": "x"}]}, "tools[0].input_schema"),
        ({"extra_body": {"temperature": 1}}, "temperature"),
    ],
)
def test_what_is_wrong_is_named(client, change, field):
    with pytest.raises(anthropic.BadRequestError) as caught:
        client.messages.create(**{**ASK, "messages": HELLO, **change})
    assert field in caught.value.body["error"]["message"]
    assert caught.value.body["error"]["type"] == "invalid_request_error"


def test_nothing_there(runtime):
    status, _, body = runtime.call("POST", "/v1/messages", b"{")
    assert status == 400 and body["type"] == "error" and body["error"]["type"] == "invalid_request_error"


# Tokens, keys and versions


def test_count_tokens(client):
    short = client.messages.count_tokens(model="mock", messages=HELLO).input_tokens
    long = client.messages.count_tokens(
        model="mock", messages=[{"role": "user", "content": "hello there " * 100}], system="S", tools=[WEATHER]).input_tokens
    assert 0 < short < 20 and long > short + 100


@pytest.fixture
def guarded(start, mock, tmp_path):
    file = tmp_path / "keys"
    file.write_text("alice key-alice\n")
    file.chmod(0o600)
    return start(mock, f"api_keys_file={file}")


@pytest.mark.parametrize("version", ["2023-06-01", "2026-10-21"])
@pytest.mark.parametrize("header", ["x-api-key", "authorization"])
def test_both_key_headers_and_versions(guarded, header, version):
    body = {**ASK, "messages": HELLO}
    for key, expected in [("key-alice", 200), ("wrong", 401)]:
        headers = {header: key if header == "x-api-key" else f"Bearer {key}", "anthropic-version": version}
        status, _, answer = guarded.call("POST", "/v1/messages", body, headers)
        assert status == expected
        assert answer["type"] == ("message" if expected == 200 else "error")
        counted = guarded.call("POST", "/v1/messages/count_tokens", {"model": "mock", "messages": HELLO}, headers)
        assert counted[0] == expected
    assert guarded.call("POST", "/v1/messages", body)[2]["error"]["type"] == "authentication_error"


def test_the_older_version_takes_sampling_parameters(runtime):
    body = {**ASK, "messages": HELLO, "temperature": 0.5}
    assert runtime.call("POST", "/v1/messages", body, {"anthropic-version": "2023-06-01"})[0] == 200
    assert runtime.call("POST", "/v1/messages", body)[0] == 200
    assert runtime.call("POST", "/v1/messages", body, {"anthropic-version": "2026-10-21"})[0] == 400


def test_the_sdk_with_keys(guarded):
    right = anthropic.Anthropic(base_url=guarded.url, api_key="key-alice", max_retries=0)
    assert right.messages.create(**ASK, messages=HELLO).content
    wrong = anthropic.Anthropic(base_url=guarded.url, api_key="wrong", max_retries=0)
    with pytest.raises(anthropic.AuthenticationError):
        wrong.messages.create(**ASK, messages=HELLO)
