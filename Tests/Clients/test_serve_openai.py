"""OpenAI's SDK in front of every provider: one grammar out, whatever is behind."""

import json

import openai
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState

from wire import MODELS, PERSON, PNG, WEATHER, WORDS, fingerprint, requests

HELLO = [{"role": "user", "content": "hello"}]
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "The weather", "parameters": WEATHER}}]
QUESTION = [{"role": "user", "content": "for 'Oslo' in 3 days"}]
ARGUMENTS = {"city": "Oslo", "days": 3}


@pytest.fixture
def client(gateway):
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="client-key", max_retries=0)


@pytest.fixture
def model(provider):
    return MODELS[provider]


def collected(chunks):
    """A stream with one choice, put together by the SDK's own rules but without its opinions about ends."""
    state = ChatCompletionStreamState()
    for chunk in chunks:
        for choice in chunk.choices:
            if choice.finish_reason in ("length", "content_filter"):
                reason, choice.finish_reason = choice.finish_reason, "stop"
                state.handle_chunk(chunk)
                break
        else:
            state.handle_chunk(chunk)
            continue
        state.ended = reason
    answer = state.current_completion_snapshot
    if hasattr(state, "ended"):
        answer.choices[0].finish_reason = state.ended
    return answer


@pytest.fixture(params=["whole", "stream"])
def ask(request, client, model):
    """Asks, whole or as a stream that is put together by the SDK; answers the same thing."""
    def whole(**fields):
        return client.chat.completions.create(**{"model": model, "messages": HELLO, **fields})

    def stream(**fields):
        fields = {"model": model, "messages": HELLO, "stream_options": {"include_usage": True}, **fields}
        return collected(client.chat.completions.create(stream=True, **fields))

    return stream if request.param == "stream" else whole


def turn_of(message):
    """What a client sends back."""
    turn = message.model_dump(exclude_none=True, exclude={"annotations", "parsed", "audio", "function_call"})
    for call in turn.get("tool_calls", []):
        call.pop("index", None)
        call["function"].pop("parsed_arguments", None)
    return turn


def test_completion(ask):
    answer = ask()
    choice, = answer.choices
    assert choice.message.content == WORDS and choice.finish_reason == "stop" and choice.message.role == "assistant"
    assert answer.usage.completion_tokens == 16
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_one_grammar(client, model):
    chunks = list(client.chat.completions.create(
        model=model, messages=HELLO, stream=True, stream_options={"include_usage": True}))
    told = [c for c in chunks if c.choices]
    assert told[0].choices[0].delta.role == "assistant" and told[-1].choices[0].finish_reason == "stop"
    assert all(c.choices[0].delta.role is None for c in told[1:])
    assert all(c.choices[0].finish_reason is None for c in told[:-1])
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 16
    assert all(c.usage is None for c in chunks[:-1]) and len({c.id for c in told}) == 1
    silent = list(client.chat.completions.create(model=model, messages=HELLO, stream=True))
    assert all(c.usage is None for c in silent) and silent[-1].choices[0].finish_reason == "stop"


def test_tools_go_round(ask, mock):
    first = ask(messages=QUESTION, tools=TOOLS, tool_choice="required").choices[0]
    call, = first.message.tool_calls
    assert first.finish_reason == "tool_calls" and call.function.name == "weather"
    assert json.loads(call.function.arguments) == ARGUMENTS
    turn = turn_of(first.message)
    result = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
    assert ask(messages=[*QUESTION, turn, result], tools=TOOLS).choices[0].message.content == WORDS
    # And as clients do it that keep only what OpenAI's schema knows.
    bare = {"role": "assistant", "content": None, "tool_calls": [
        {"id": call.id, "type": "function", "function": {"name": "weather", "arguments": call.function.arguments}}]}
    assert ask(messages=[*QUESTION, bare, result], tools=TOOLS).choices[0].message.content == WORDS


def test_parallel_tools(ask, mock, provider):
    mock.behave(calls=2)
    more = [*TOOLS, {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}}]
    first = ask(messages=QUESTION, tools=more).choices[0].message
    assert [c.function.name for c in first.tool_calls] == ["weather", "clock"]
    assert [json.loads(c.function.arguments) for c in first.tool_calls] == [ARGUMENTS, {}]
    assert len({c.id for c in first.tool_calls}) == 2
    turn = {"role": "assistant", "tool_calls": [c.model_dump(include={"id", "type", "function"}) for c in first.tool_calls]}
    for call in turn["tool_calls"]:
        call["function"] = {name: call["function"][name] for name in ("name", "arguments")}
    results = [{"role": "tool", "tool_call_id": c.id, "content": "x"} for c in first.tool_calls]
    again = ask(messages=[*QUESTION, turn, *results, {"role": "user", "content": "thanks"}], tools=more, tool_choice="none")
    assert again.choices[0].message.content


def test_every_choice_of_tools(ask, provider):
    named = {"type": "function", "function": {"name": "weather"}}
    if provider == "cohere":
        return  # it can be made to call a tool, not which
    assert ask(messages=QUESTION, tools=TOOLS, tool_choice=named).choices[0].message.tool_calls[0].function.name == "weather"
    assert ask(messages=QUESTION, tools=TOOLS, tool_choice="none").choices[0].message.content == WORDS
    assert ask(messages=QUESTION, tools=TOOLS, tool_choice="auto").choices[0].message.content == WORDS


def test_reasoning_goes_round(ask, mock, provider):
    mock.behave(reasoning=4)
    question = [{"role": "user", "content": "use weather for 'Oslo' in 3 days"}]
    more = {"reasoning_effort": "low", "max_completion_tokens": 4000, "tools": TOOLS}
    if provider in ("openai", "azure"):
        more.pop("reasoning_effort")
    first = ask(messages=question, **more).choices[0].message
    assert first.model_extra.get("reasoning_content") == "The user asks for" and first.tool_calls
    turn = turn_of(first)
    if provider in ("openai", "azure"):
        turn.pop("reasoning_content")  # their schema has no place for it
    result = {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "rain"}
    assert ask(messages=[*question, turn, result], **more).choices[0].message.content == WORDS


def test_structured_output(ask):
    answer = ask(
        messages=[{"role": "system", "content": "json"}, {"role": "user", "content": "'Ada' is 36"}],
        response_format={"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON, "strict": True}})
    assert json.loads(answer.choices[0].message.content) == {"name": "Ada", "age": 36}


def test_a_whole_conversation(ask, mock, provider):
    answer = ask(messages=[
        {"role": "developer", "content": "be brief"}, {"role": "system", "content": "and kind"},
        {"role": "user", "content": "one"}, {"role": "user", "content": [{"type": "text", "text": "two"}]},
        {"role": "assistant", "content": "yes "}, {"role": "user", "content": [
            {"type": "text", "text": "what is it"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}]}])
    assert answer.choices[0].message.content == WORDS
    assert PNG in json.dumps(requests(mock)[-1]["body"]).replace("-", "+").replace("_", "/")


def test_parameters(ask, provider):
    assert ask(max_completion_tokens=3).choices[0].finish_reason == "length"
    assert ask(max_tokens=3).choices[0].finish_reason == "length"
    answer = ask(stop=" dolor", temperature=0.5).choices[0]
    assert (answer.message.content, answer.finish_reason) == ("lorem ipsum", "stop")
    assert ask(stop=[" dolor", "x"], top_p=0.96, user="u-1", seed=7).choices[0].message.content == "lorem ipsum"


def test_cached_tokens_are_part_of_the_prompt(ask, mock, provider):
    mock.behave(cached_tokens=100, cache_write_tokens=20)
    usage = ask().usage
    assert usage.prompt_tokens >= 121 and usage.prompt_tokens_details.cached_tokens == 100
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_refusals(ask, mock, provider):
    mock.behave(refusal=True)
    if provider == "cohere":
        with pytest.raises(openai.APIError):  # its finish reason ERROR is one
            ask()
        return
    choice = ask().choices[0]
    if provider in ("openai", "azure"):
        assert choice.message.refusal
    else:
        assert choice.finish_reason == "content_filter"


def test_the_dropped_is_named(client, model, provider):
    raw = client.chat.completions.with_raw_response.create(
        model=model, messages=HELLO, logit_bias={"1": 5}, presence_penalty=0.5)
    dropped = raw.headers.get("x-sluice-dropped-params", "")
    assert ("logit_bias" in dropped) == (provider not in ("openai", "azure"))
    with_error = {"extra_headers": {"x-sluice-unsupported-params": "error"}}
    if provider not in ("openai", "azure"):
        with pytest.raises(openai.BadRequestError, match="logit_bias"):
            client.chat.completions.create(model=model, messages=HELLO, logit_bias={"1": 5}, **with_error)


@pytest.mark.parametrize(("status", "error"), [
    (400, openai.BadRequestError), (403, openai.PermissionDeniedError), (404, openai.NotFoundError),
    (429, openai.RateLimitError), (500, openai.InternalServerError), (503, openai.InternalServerError)])
@pytest.mark.parametrize("stream", [False, True])
def test_the_status_decides_the_class_before_any_word_in_the_body(client, model, mock, status, error, stream):
    mock.behave(status=status, error_message="rate limit, context length and invalid_request_error")
    with pytest.raises(error) as caught:
        client.chat.completions.create(model=model, messages=HELLO, stream=stream)
    if status in (400, 403, 404):
        assert "rate limit, context length" in str(caught.value)
    assert "provider-key" not in str(caught.value)


def test_a_prompt_that_is_too_long(client, model, mock):
    mock.behave(context_exceeded=True)
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(model=model, messages=HELLO, stream=stream)
        assert caught.value.code == "context_length_exceeded"


@pytest.mark.parametrize("fault", ["truncated", "no_end", "disconnect_mid_body"])
def test_a_stream_cut_off_before_its_end_is_an_error(client, model, mock, fault):
    mock.behave(**{fault: True})
    text, finish = "", None
    with pytest.raises(openai.APIError):
        for chunk in client.chat.completions.create(model=model, messages=HELLO, stream=True):
            for choice in chunk.choices:
                text += choice.delta.content or ""
                finish = choice.finish_reason or finish
    assert text and finish is None


def test_an_error_in_mid_stream_is_one(client, model, mock):
    mock.behave(error_mid_stream=True)
    with pytest.raises(openai.APIError):
        for chunk in client.chat.completions.create(model=model, messages=HELLO, stream=True):
            assert not any(choice.finish_reason for choice in chunk.choices)


def test_any_split_of_the_bytes_gives_the_same_chunks(client, model, mock):
    def chunks():
        events = client.chat.completions.create(model=model, messages=QUESTION, stream=True, tools=TOOLS)
        return [[(c.delta.content, c.finish_reason) for c in chunk.choices] for chunk in events]

    expected = chunks()
    for size in (1, 3, 17):
        mock.behave(split_bytes=size)
        assert [c for c in chunks() if c] == [c for c in expected if c]
    if "gemini" not in model and "anthropic." not in model:
        mock.behave(pings=1)
        assert "".join(c[0][0] or "" for c in chunks() if c) == WORDS


def test_the_right_key_goes_to_the_provider(client, model, mock, provider):
    client.chat.completions.create(model=model, messages=HELLO)
    seen = requests(mock)[-1]
    names = {"openai": "authorization", "azure": "api-key", "anthropic": "x-api-key", "gemini": "x-goog-api-key",
             "vertex_ai": "authorization", "cohere": "authorization", "bedrock": "authorization"}
    value = seen["headers"][names[provider]]
    if provider == "bedrock":
        assert value.startswith("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/")
    else:
        assert value.endswith(fingerprint("provider-key"))
    assert fingerprint("client-key") not in json.dumps(seen, ensure_ascii=False)


@pytest.mark.parametrize("provider", ["openai", "azure", "gemini", "cohere"], indirect=True)
def test_embeddings(client, gateway, provider):
    answer = client.embeddings.create(model="embed-mock", input=["a", "b"])
    assert len(answer.data) == 2 and len(answer.data[0].embedding) > 0
    assert client.embeddings.create(model="embed-mock", input="a", encoding_format="float").data[0].embedding
