"""The official SDK, unchanged."""

import asyncio
import json

import openai
import pytest

from runtime import free_port, run_async


@pytest.fixture
def client(runtime):
    return openai.OpenAI(base_url=f"{runtime.url}/v1", api_key="none", max_retries=0)


HELLO = [{"role": "user", "content": "hello"}]


def mocked(**behaviour):
    return [{"role": "user", "content": "mock:" + json.dumps(behaviour)}]


def test_completion(client):
    answer = client.chat.completions.create(model="mock", messages=HELLO)
    assert answer.choices[0].message.content and answer.usage.total_tokens > 0


def test_headers_reach_the_client(client):
    raw = client.chat.completions.with_raw_response.create(model="mock", messages=HELLO)
    assert raw.headers["x-sluice-request-id"].startswith("req_") and raw.headers["x-sluice-attempts"] == "1"


def test_stream(client):
    chunks = list(client.chat.completions.create(
        model="mock", messages=HELLO, stream=True, stream_options={"include_usage": True}))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert chunks[-1].usage.completion_tokens == 16


def test_async(runtime):
    async def run():
        async with openai.AsyncOpenAI(base_url=f"{runtime.url}/v1", api_key="none") as client:
            answers = await asyncio.gather(
                *[client.chat.completions.create(model="mock", messages=HELLO) for _ in range(20)])
            stream = await client.chat.completions.create(model="mock", messages=HELLO, stream=True)
            return len(answers), [c async for c in stream]

    count, chunks = run_async(run())
    assert count == 20 and len(chunks) > 10


def test_tools(client):
    answer = client.chat.completions.create(
        model="mock", messages=HELLO, tool_choice="required",
        tools=[{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}])
    assert answer.choices[0].message.tool_calls[0].function.name == "weather"


def test_json_mode(client):
    answer = client.chat.completions.create(model="mock", messages=HELLO, response_format={"type": "json_object"})
    assert isinstance(json.loads(answer.choices[0].message.content), dict)


def test_embeddings(client):
    answer = client.embeddings.create(model="mock-embedding", input=["a", "b"])
    assert len(answer.data) == 2 and len(answer.data[0].embedding) > 0


def test_completions_and_responses(client):
    assert client.completions.create(model="mock", prompt="hello").choices[0].text
    assert client.responses.create(model="mock", input="hello").output_text


def test_models(client):
    assert "mock" in [m.id for m in client.models.list()]


def test_timeout(client):
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.3).chat.completions.create(model="mock", messages=mocked(hang=True))


@pytest.mark.parametrize(("attempts", "asked"), [(1, 3), (3, 1)])
def test_sdk_retries(start, mock, attempts, asked):
    """What was tried once here the SDK asks three times, each a request of its own; what was tried more often, once."""
    mock.call("POST", "/mock/reset")
    runtime = start(mock, "backends.default.breaker.consecutive_failures=1000",
                    f"pools.default.retry.attempts={attempts}")
    client = openai.OpenAI(base_url=f"{runtime.url}/v1", api_key="none", max_retries=2)
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(
            model="mock", messages=mocked(wrong_type=True), extra_headers={"x-sluice-timeout-ms": "5000"})
    seen = mock.executions()
    assert (seen["distinct"], seen["total"]) == (asked, 3)
    runtime.stop()


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ({"status": 400}, openai.BadRequestError),
        ({"status": 401}, openai.InternalServerError),
        ({"status": 403}, openai.PermissionDeniedError),
        ({"status": 404}, openai.NotFoundError),
        ({"status": 422}, openai.UnprocessableEntityError),
        ({"status": 500}, openai.InternalServerError),
    ],
)
def test_error_classes(client, behaviour, error):
    with pytest.raises(error):
        client.chat.completions.create(model="mock", messages=mocked(**behaviour))


def test_authentication_error(start, mock, tmp_path):
    file = tmp_path / "keys"
    file.write_text("alice key-alice\n")
    file.chmod(0o600)
    runtime = start(mock, f"api_keys_file={file}")
    right = openai.OpenAI(base_url=f"{runtime.url}/v1", api_key="key-alice", max_retries=0)
    assert right.chat.completions.create(model="mock", messages=HELLO).choices
    wrong = openai.OpenAI(base_url=f"{runtime.url}/v1", api_key="wrong", max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        wrong.chat.completions.create(model="mock", messages=HELLO)
    runtime.stop()


def test_rate_limit_error(start, mock):
    runtime = start(mock, "pools.default.max_requests_per_tenant=1")
    client = openai.OpenAI(base_url=f"{runtime.url}/v1", api_key="none", max_retries=0)
    runtime.call("POST", "/api/pools/default/pause")
    assert runtime.chat(headers={"Prefer": "respond-async"})[0] == 202
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model="mock", messages=HELLO)
    runtime.call("POST", "/api/pools/default/resume")
    runtime.settle()
    runtime.stop()


def test_connection_error():
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{free_port()}/v1", api_key="none", max_retries=0)
    with pytest.raises(openai.APIConnectionError):
        client.chat.completions.create(model="mock", messages=HELLO)
