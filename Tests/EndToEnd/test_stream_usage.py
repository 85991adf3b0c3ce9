"""`stream_usage`: what a stream that passes has cost is in the books, and its client sees nothing of it."""

import json
import urllib.request

import openai
import pytest

from runtime import until

ON = "backends.default.stream_usage=true"
HELLO = [{"role": "user", "content": 'mock:{"tokens":6}'}]


@pytest.fixture
def counting(start, mock):
    mock.call("POST", "/mock/reset")
    program = start(mock, ON)
    yield program
    program.settle()


def stream(program, path="/v1/chat/completions", headers=None, **fields):
    """The id and the raw bytes of a stream."""
    body = {"model": "mock", "stream": True, **({"messages": HELLO} if "chat" in path else {}), **fields}
    request = urllib.request.Request(
        program.url + path, json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.headers["x-sluice-request-id"], answer.read()


def events(text):
    data = [line[6:] for line in text.decode().splitlines() if line.startswith("data: ")]
    assert data[-1] == "[DONE]"
    return [json.loads(event) for event in data[:-1]]


def shape(text):
    """Everything but what differs from answer to answer."""
    return [{k: v for k, v in event.items() if k not in ("id", "created")} for event in events(text)]


def record(program, id):
    """A request as the operator's API has it when it has ended."""
    def ended():
        found = program.call("GET", f"/api/requests/{id}")[2]
        return found if found.get("outcome") else None
    return until(ended)


def rows(program, count=1, id=None):
    """History, which comes a moment after the end; a dispatcher has another's id beside its own."""
    def found():
        rows = program.call("GET", "/api/executions")[2]["rows"]
        rows = [row for row in rows if id is None or id in (row["id"], row["request_id"])]
        return rows if len(rows) == count else None
    return until(found)


def counted(program, id):
    """Tokens of a request, alike in its record and in history."""
    tokens = record(program, id)["usage"]
    row = rows(program, id=id)[0]
    assert (row["prompt_tokens"], row["completion_tokens"]) == (tokens["prompt_tokens"], tokens["completion_tokens"])
    return tokens["prompt_tokens"], tokens["completion_tokens"]


def test_a_stream_has_tokens_in_the_books_and_its_client_sees_none(counting, shared, mock):
    id, text = stream(counting)
    prompt, completion = counted(counting, id)
    assert prompt > 0 and completion == 6
    assert b'"usage"' not in text and all(event["choices"] for event in events(text))
    # The same as without the setting, where nobody knows.
    other, plain = stream(shared)
    assert shape(text) == shape(plain)
    assert not record(shared, other).get("usage")
    text = counting.call("GET", "/metrics")[2].decode()
    assert 'sluice_tokens_total{pool="default",kind="completion"} 6\n' in text


def test_who_asks_gets_the_usage(counting):
    client = openai.OpenAI(base_url=f"{counting.url}/v1", api_key="none", max_retries=0)
    chunks = list(client.chat.completions.create(
        model="mock", messages=HELLO, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].usage.completion_tokens == 6 and chunks[-1].choices == []
    chunks = list(client.chat.completions.create(
        model="mock", messages=HELLO, stream=True, stream_options={"include_usage": False}))
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    chunks = list(client.chat.completions.create(model="mock", messages=HELLO, stream=True))
    assert all(chunk.choices and chunk.usage is None for chunk in chunks) and chunks[-1].choices[0].finish_reason
    assert [row["completion_tokens"] for row in rows(counting, 3)] == [6, 6, 6]


def test_text_completions_and_streams_that_tell_their_place(counting):
    id, text = stream(counting, "/v1/completions", prompt="hello")
    assert counted(counting, id)[1] > 0 and b'"usage"' not in text
    id, text = stream(counting, headers={"x-sluice-queue-updates": "true"})
    assert counted(counting, id)[1] == 6 and b'"usage"' not in text


def test_what_is_kept_says_its_usage_to_who_asks(start, mock):
    mock.call("POST", "/mock/reset")
    program = start(mock, ON, "pools.default.cache=true")
    assert b'"usage"' not in stream(program)[1]
    assert b'"usage"' not in stream(program)[1]
    text = stream(program, stream_options={"include_usage": True})[1]
    assert events(text)[-1]["usage"]["completion_tokens"] == 6
    assert mock.executions()["distinct"] == 1
    program.settle()


def test_over_lists_the_dispatcher_has_the_tokens(valkey, mock, fabric):
    mock.call("POST", "/mock/reset")
    dispatcher, gateway = fabric.dispatcher(valkey, mock, ON), fabric.gateway(valkey)
    id, text = stream(gateway)
    assert b'"usage"' not in text and all(event["choices"] for event in events(text))
    dispatcher.settle()
    assert counted(dispatcher, id)[1] == 6
    _, text = stream(gateway, stream_options={"include_usage": True})
    assert events(text)[-1]["usage"]["completion_tokens"] == 6
    gateway.settle()
    dispatcher.settle()
