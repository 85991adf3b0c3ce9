"""Anthropic's SDK in front of every provider."""

import anthropic
import pytest

from wire import MODELS, PNG, WEATHER, WORDS, requests

HELLO = [{"role": "user", "content": "hello"}]
TOOLS = [{"name": "weather", "description": "The weather", "input_schema": WEATHER}]
QUESTION = [{"role": "user", "content": "for 'Oslo' in 3 days"}]


@pytest.fixture
def client(gateway):
    return anthropic.Anthropic(base_url=gateway.url, api_key="client-key", max_retries=0)


@pytest.fixture(params=["whole", "stream"])
def ask(request, client, provider):
    def whole(**fields):
        return client.messages.create(**{"model": MODELS[provider], "max_tokens": 4000, "messages": HELLO, **fields})

    def stream(**fields):
        with client.messages.stream(
                **{"model": MODELS[provider], "max_tokens": 4000, "messages": HELLO, **fields}) as events:
            return events.get_final_message()

    return stream if request.param == "stream" else whole


def test_message(ask):
    answer = ask(system="be brief")
    assert answer.content[0].text == WORDS and answer.stop_reason == "end_turn" and answer.role == "assistant"
    assert answer.usage.output_tokens == 16 and answer.usage.input_tokens >= 1


def test_events(client, provider):
    kinds = [e.type for e in client.messages.create(
        model=MODELS[provider], max_tokens=100, messages=HELLO, stream=True) if e.type != "ping"]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]


def test_tools_go_round(ask):
    first = ask(messages=QUESTION, tools=TOOLS, tool_choice={"type": "any"})
    call = next(b for b in first.content if b.type == "tool_use")
    assert first.stop_reason == "tool_use" and (call.name, call.input) == ("weather", {"city": "Oslo", "days": 3})
    turn = {"role": "assistant", "content": [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": call.input}]}
    result = {"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "rain"}]},
        {"type": "text", "text": "and now?"}]}
    answer = ask(messages=[*QUESTION, turn, result], tools=TOOLS)
    assert answer.content[-1].text == WORDS


def test_thoughts_go_round(ask, provider):
    if provider in ("openai", "azure"):
        return  # their schema has no thoughts
    more = {"tools": TOOLS, "thinking": {"type": "enabled", "budget_tokens": 1024}}
    question = [{"role": "user", "content": "use weather for 'Oslo' in 3 days"}]
    first = ask(messages=question, **more)
    assert [b.type for b in first.content if b.type != "text"] == ["thinking", "tool_use"]
    assert first.content[0].thinking == "The user asks for"
    turn = {"role": "assistant", "content": [
        b.model_dump(include={"type", "thinking", "signature", "id", "name", "input", "text"}, exclude_none=True)
        for b in first.content]}
    result = {"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": first.content[-1].id, "content": "rain"}]}
    assert ask(messages=[*question, turn, result], **more).content[-1].text == WORDS


def test_images_and_ends(ask, mock):
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    assert ask(messages=[{"role": "user", "content": [image, {"type": "text", "text": "what"}]}]).content
    assert ask(max_tokens=3).stop_reason == "max_tokens"
    assert ask(stop_sequences=[" dolor"]).content[0].text == "lorem ipsum"


@pytest.mark.parametrize(("status", "error"), [
    (400, anthropic.BadRequestError), (403, anthropic.PermissionDeniedError), (404, anthropic.NotFoundError),
    (429, anthropic.RateLimitError), (500, anthropic.InternalServerError)])
def test_errors_in_its_own_words(client, provider, mock, status, error):
    mock.behave(status=status)
    with pytest.raises(error) as caught:
        client.messages.create(model=MODELS[provider], max_tokens=10, messages=HELLO)
    assert caught.value.body["type"] == "error" and caught.value.body["error"]["type"].endswith("error")


@pytest.mark.parametrize("fault", ["truncated", "no_end"])
def test_a_stream_cut_off_before_its_end_is_an_error(client, provider, mock, fault):
    mock.behave(**{fault: True})
    kinds = []
    try:
        for event in client.messages.create(model=MODELS[provider], max_tokens=100, messages=HELLO, stream=True):
            kinds.append(event.type)
    except anthropic.APIError:
        pass
    else:
        # The SDK does not complain when a connection just ends: then at least nothing pretends to be whole.
        assert provider == "anthropic", "an error event was due"
    assert "message_stop" not in kinds and "content_block_delta" in kinds


def test_both_keys_and_both_versions(gateway, provider, mock):
    body = {"model": MODELS[provider], "max_tokens": 10, "messages": HELLO}
    for version in ("2023-06-01", "2026-10-21"):
        for key in ({"x-api-key": "client-key"}, {"Authorization": "Bearer client-key"}):
            status, _, answer = gateway.call("POST", "/v1/messages", body, {"anthropic-version": version, **key})
            assert status == 200 and answer["type"] == "message", answer


def test_counting(client, provider):
    counted = client.messages.count_tokens(model=MODELS[provider], messages=HELLO)
    assert counted.input_tokens >= 1
