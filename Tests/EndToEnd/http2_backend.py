"""A backend that speaks HTTP/2, for hypercorn. Every answer says by which protocol and over which connection it came."""

import asyncio
import json

abandoned = []


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    if scope["path"] == "/abandoned":
        return await answer(send, json.dumps(abandoned).encode())
    request = json.loads(body)
    content = f"{scope['http_version']} {scope['client'][1]}"
    if request.get("stream"):
        return await stream(send, receive, content, int(request["messages"][0]["content"]), request["model"])
    if request["model"].startswith("hang"):
        while (await receive())["type"] != "http.disconnect":
            pass
        return abandoned.append(request["model"])
    # Long enough for the others to arrive meanwhile.
    await asyncio.sleep(0.2)
    await answer(send, json.dumps({
        "id": "c", "object": "chat.completion", "created": 0, "model": "h2",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}],
    }).encode())


async def lifespan(receive, send):
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def answer(send, body):
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def stream(send, receive, content, count, model):
    """`count` events of 1 KiB and more, as fast as they are taken; the client's going is noted."""
    async def gone():
        while (await receive())["type"] != "http.disconnect":
            pass
        abandoned.append(model)

    watch = asyncio.create_task(gone())
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    for number in range(count):
        delta = {"choices": [{"index": 0, "delta": {"content": f"{content} {number} " + "x" * 1024}}]}
        await send({"type": "http.response.body", "body": f"data: {json.dumps(delta)}\n\n".encode(), "more_body": True})
        await asyncio.sleep(0)
    finish = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    end = f"data: {json.dumps(finish)}\n\ndata: [DONE]\n\n"
    await send({"type": "http.response.body", "body": end.encode()})
    watch.cancel()
