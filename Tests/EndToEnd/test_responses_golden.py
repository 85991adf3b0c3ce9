"""What the Responses face writes, read with the models and the accumulator of OpenAI's SDK."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

GOLDEN = Path(__file__).parent.parent / "SluiceProvidersTests" / "Golden" / "openai-responses"


def events(name):
    text = (GOLDEN / name).read_text()
    for block in text.strip().split("\n\n"):
        event, data = block.split("\n")
        yield event.removeprefix("event: "), json.loads(data.removeprefix("data: "))


@pytest.fixture
def client():
    """A client of a server that answers with golden files: the model is the file's name."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            content = (GOLDEN / body["model"]).read_bytes()
            self.send_response(200)
            kind = "text/event-stream" if body.get("stream") else "application/json"
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield openai.OpenAI(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="k", max_retries=0)
    server.shutdown()
    server.server_close()


def test_a_whole_answer_is_valid(client):
    Response.model_validate_json((GOLDEN / "whole.json").read_text(), strict=True)
    response = client.responses.create(model="whole.json", input="x")
    assert response.output_text == "Hello."
    assert [item.type for item in response.output] == [
        "reasoning", "reasoning", "message", "function_call", "custom_tool_call",
    ]
    assert response.usage.output_tokens_details.reasoning_tokens == 2


@pytest.mark.parametrize("name", ["stream.sse", "refusal.sse", "failed.sse"])
def test_every_event_is_valid(name):
    adapter = TypeAdapter(ResponseStreamEvent)
    for number, (event, data) in enumerate(events(name)):
        assert data["type"] == event
        assert data["sequence_number"] == number
        adapter.validate_python(data)


@pytest.mark.parametrize("name", ["stream.sse", "refusal.sse", "failed.sse"])
def test_what_is_done_is_what_was_streamed(name):
    texts, items = {}, {}
    for event, data in events(name):
        key = (data.get("item_id"), data.get("content_index", data.get("summary_index")))
        if event.endswith(".delta"):
            texts[key] = texts.get(key, "") + data["delta"]
        elif event.endswith((".text.done", "_text.done", "arguments.done", "input.done", "refusal.done")):
            said = next(data[name] for name in ("text", "arguments", "input", "refusal") if name in data)
            assert said == texts.pop(key)
        elif event == "response.output_item.done":
            items[data["output_index"]] = data["item"]
        elif event in ("response.completed", "response.incomplete", "response.failed"):
            assert data["response"]["output"] == [items[index] for index in sorted(items)]
    assert not texts


def test_the_sdk_puts_a_stream_together(client):
    with client.responses.stream(model="stream.sse", input="x") as stream:
        seen = [event.type for event in stream]
        final = stream.get_final_response()
    assert seen[0] == "response.created" and seen[-1] == "response.completed"
    assert final.output_text == "Hello."
    assert [item.type for item in final.output] == [
        "reasoning", "reasoning", "message", "function_call", "custom_tool_call",
    ]
    assert final.output[3].arguments == '{"a":1}'
    assert final.output[0].encrypted_content


def test_a_refusal_ends_incomplete(client):
    with client.responses.stream(model="refusal.sse", input="x") as stream:
        last = list(stream)[-1]
    assert last.type == "response.incomplete"
    assert last.response.incomplete_details.reason == "content_filter"
    assert [part.type for part in last.response.output[0].content] == ["output_text", "refusal"]


def test_a_stream_that_was_cut_off_raises(client):
    seen = []
    with pytest.raises(openai.APIError, match="cut off"):
        for event in client.responses.create(model="failed.sse", input="x", stream=True):
            seen.append(event.type)
    assert seen[-1] == "response.failed"
