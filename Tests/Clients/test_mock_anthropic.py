"""Anthropic's SDK straight at the simulated provider: what it speaks is the real thing."""

import anthropic
import pytest

from wire import PERSON, PNG, WEATHER, WORDS, fingerprint, requests

HELLO = [{"role": "user", "content": "hello"}]
TOOLS = [{"name": "weather", "description": "The weather", "input_schema": WEATHER}]
ASK = {"model": "claude-mock", "max_tokens": 100, "messages": HELLO}
OLD = {"anthropic-version": "2023-06-01"}


@pytest.fixture
def client(mock):
    return anthropic.Anthropic(base_url=mock.url, api_key="sk-test-1", max_retries=0)


def test_message(client):
    answer = client.messages.create(**ASK)
    assert answer.content[0].text == WORDS and answer.stop_reason == "end_turn"
    assert answer.usage.output_tokens == 16 and answer.usage.input_tokens >= 1
    assert answer._request_id.startswith("req_")


def test_stream(client):
    with client.messages.stream(**ASK) as stream:
        assert "".join(stream.text_stream) == WORDS
        final = stream.get_final_message()
    assert final.stop_reason == "end_turn" and final.usage.output_tokens == 16


def test_whole_and_stream_agree(client):
    ask = {**ASK, "model": "claude-mock-reasoning", "tools": TOOLS, "messages": [
        {"role": "user", "content": "use weather for 'Oslo' in 3 days"}]}
    whole = client.messages.create(**ask)
    with client.messages.stream(**ask) as stream:
        final = stream.get_final_message()
    strip = lambda m: [{k: v for k, v in block.model_dump().items() if k not in ("id", "caller", "parsed_output")}
                       for block in m.content]
    assert strip(whole) == strip(final)
    assert whole.usage.model_dump() == final.usage.model_dump() and whole.stop_reason == final.stop_reason == "tool_use"
    assert [b.type for b in whole.content] == ["thinking", "tool_use"]
    assert whole.content[1].input == {"city": "Oslo", "days": 3}


@pytest.mark.parametrize("stream", [False, True])
def test_tools_and_thoughts_go_round(client, stream):
    def ask(**more):
        if stream:
            with client.messages.stream(**more) as events:
                return events.get_final_message()
        return client.messages.create(**more)

    more = {**ASK, "max_tokens": 4000, "tools": TOOLS, "thinking": {"type": "enabled", "budget_tokens": 1024},
            "messages": [{"role": "user", "content": "use weather for 'Oslo'"}]}
    first = ask(**more)
    call = first.content[-1]
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "rain"}]}
    turn = [b.model_dump(exclude_none=True) for b in first.content]
    second = ask(**{**more, "messages": [*more["messages"], {"role": "assistant", "content": turn}, result]})
    assert second.stop_reason == "end_turn"
    turn[0]["signature"] = "x" + turn[0]["signature"][1:]
    with pytest.raises(anthropic.BadRequestError, match="Invalid `signature`"):
        ask(**{**more, "messages": [*more["messages"], {"role": "assistant", "content": turn}, result]})
    with pytest.raises(anthropic.BadRequestError, match="Expected `thinking`"):
        ask(**{**more, "messages": [*more["messages"], {"role": "assistant", "content": turn[1:]}, result]})


def test_forced_and_parallel_tools(client):
    answer = client.messages.create(**ASK, tools=TOOLS, tool_choice={"type": "tool", "name": "weather"})
    assert answer.content[0].name == "weather"
    two = client.messages.create(**ASK, tools=TOOLS, extra_headers={"x-mock-calls": "2"})
    assert [b.type for b in two.content] == ["tool_use"] * 2 and two.content[0].id != two.content[1].id
    one = client.messages.create(
        **ASK, tools=TOOLS, tool_choice={"type": "auto", "disable_parallel_tool_use": True},
        extra_headers={"x-mock-calls": "2"})
    assert len(one.content) == 1
    none = client.messages.create(**ASK, tools=TOOLS, tool_choice={"type": "none"}, extra_headers={"x-mock-calls": "2"})
    assert none.content[0].type == "text"


def test_structured_output(client):
    answer = client.messages.create(
        **{**ASK, "messages": [{"role": "user", "content": "'Ada' is 36"}]},
        output_config={"format": {"type": "json_schema", "schema": PERSON}})
    assert answer.content[0].text == '{"name":"Ada","age":36}'


def test_ends(client):
    assert client.messages.create(**{**ASK, "max_tokens": 3}).stop_reason == "max_tokens"
    stopped = client.messages.create(**ASK, stop_sequences=[" dolor"])
    assert (stopped.stop_reason, stopped.stop_sequence, stopped.content[0].text) == (
        "stop_sequence", " dolor", "lorem ipsum")
    assert client.messages.create(**{**ASK, "model": "claude-mock-refusal"}).stop_reason == "refusal"


def test_cache_and_citations(client):
    answer = client.messages.create(
        **{**ASK, "messages": [{"role": "user", "content": [
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"},
             "citations": {"enabled": True}},
            {"type": "text", "text": "hello", "cache_control": {"type": "ephemeral"}}]}]},
        extra_headers={"x-mock-cached-tokens": "100", "x-mock-cache-write-tokens": "20"})
    assert answer.content[0].citations[0].cited_text
    assert (answer.usage.cache_read_input_tokens, answer.usage.cache_creation_input_tokens) == (100, 20)


def test_counting_and_models(client):
    assert client.messages.count_tokens(model="claude-mock", messages=HELLO).input_tokens >= 1
    assert [m.id for m in client.models.list()] == ["claude-mock"]


def test_images(client):
    def ask(media_type):
        return client.messages.create(**{**ASK, "messages": [{"role": "user", "content": [
            {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": PNG}},
            {"type": "text", "text": "what is it"}]}]})

    assert ask("image/png").content
    with pytest.raises(anthropic.BadRequestError, match="does not match"):
        ask("image/jpeg")


@pytest.mark.parametrize(("status", "error", "kind"), [
    (400, anthropic.BadRequestError, "invalid_request_error"),
    (401, anthropic.AuthenticationError, "authentication_error"),
    (403, anthropic.PermissionDeniedError, "permission_error"),
    (404, anthropic.NotFoundError, "not_found_error"),
    (413, anthropic.APIStatusError, "request_too_large"),
    (429, anthropic.RateLimitError, "rate_limit_error"),
    (500, anthropic.InternalServerError, "api_error"),
    (529, anthropic.APIStatusError, "overloaded_error"),
])
def test_errors(client, status, error, kind):
    with pytest.raises(error) as caught:
        client.messages.create(**ASK, extra_headers={"x-mock-status": str(status)})
    assert caught.value.status_code == status and caught.value.body["error"]["type"] == kind
    assert caught.value.request_id


def test_an_error_in_mid_stream(client, mock):
    mock.behave(error_mid_stream=True)
    with pytest.raises(anthropic.APIStatusError) as caught:
        list(client.messages.create(**ASK, stream=True))
    assert caught.value.body["error"]["type"] == "overloaded_error"


@pytest.mark.parametrize("fault", ["truncated", "no_end"])
def test_a_stream_that_lacks_its_end(client, mock, fault):
    mock.behave(**{fault: True})
    events = [event.type for event in client.messages.create(**ASK, stream=True)]
    assert events[0] == "message_start" and "message_stop" not in events and "content_block_delta" in events


def test_any_split_of_the_bytes(client, mock):
    for size in (1, 3, 7, 64):
        mock.behave(split_bytes=size, pings=2)
        with client.messages.stream(**ASK) as stream:
            assert "".join(stream.text_stream) == WORDS


@pytest.mark.parametrize(("change", "words"), [
    ({"messages": [*HELLO, *HELLO]}, "alternate"),
    ({"messages": [{"role": "assistant", "content": "x"}]}, "first message"),
    ({"messages": [{"role": "user", "content": ""}]}, "non-empty"),
    ({"messages": [*HELLO, {"role": "assistant", "content": "x "}]}, "trailing whitespace"),
    ({"messages": [{"role": "system", "content": "x"}]}, "expected tags"),
    ({"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x", "content": "y"}]}]},
     "corresponding `tool_use`"),
    ({"messages": [*HELLO, {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "b", "input": {}}]},
                   *HELLO], "tools": TOOLS}, "without `tool_result`"),
    ({"extra_body": {"n": 2}}, "n: Extra inputs"),
    ({"extra_body": {"response_format": {"type": "json_object"}}}, "response_format: Extra inputs"),
    ({"extra_body": {"temperature": 1.5}, "extra_headers": OLD}, "temperature"),
    ({"tools": [{"name": "a b", "input_schema": WEATHER}]}, "pattern"),
    ({"tool_choice": {"type": "any"}}, "while providing tools"),
    ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "greater than"),
    ({"output_config": {"format": {"type": "json_schema", "schema": WEATHER}}}, "additionalProperties"),
])
def test_what_a_wrong_translation_is_told(client, change, words):
    with pytest.raises(anthropic.BadRequestError, match=words):
        client.messages.create(**{**ASK, **change})


def test_required_parameters(mock):
    for body, words in [({"model": "m", "messages": HELLO}, "max_tokens: Field required"),
                        ({"model": "m", "max_tokens": 1, "messages": []}, "messages")]:
        status, _, answer = mock.call("POST", "/v1/messages", body, {"x-api-key": "k", **OLD})
        assert status == 400 and words in answer["error"]["message"], answer
    status, _, answer = mock.call("POST", "/v1/messages", ASK, {"x-api-key": "k"})
    assert status == 400 and "anthropic-version" in answer["error"]["message"]


def test_versions_and_keys(mock):
    def ask(version, **fields):
        return mock.call("POST", "/v1/messages", {**ASK, **fields}, {"x-api-key": "k", "anthropic-version": version})[0]

    assert ask("2023-06-01", temperature=1.0) == 200 and ask("2026-10-21") == 200 and ask("2099-01-01") == 400
    for name in ({"temperature": 1.0}, {"top_p": 1.0}, {"top_k": 5}):
        assert ask("2026-10-21", **name) == 400
    mock.behave(key="right")
    bearer, own = {"Authorization": "Bearer right", **OLD}, {"x-api-key": "right", **OLD}
    assert mock.call("POST", "/v1/messages", ASK, bearer)[0] == mock.call("POST", "/v1/messages", ASK, own)[0] == 200
    assert mock.call("POST", "/v1/messages", ASK, {**bearer, "x-api-key": "wrong"})[0] == 401
    assert mock.call("POST", "/v1/messages", ASK, OLD)[0] == 401


def test_what_arrived_can_be_seen_but_not_the_key(client, mock):
    client.messages.create(**ASK)
    seen = requests(mock)[-1]
    assert seen["path"] == "/v1/messages" and seen["body"]["max_tokens"] == 100
    assert fingerprint("sk-test-1") in str(seen["headers"]) and "sk-test-1" not in str(seen)
