"""Writes sigv4-botocore.json and event-stream.json with botocore as the judge: pip install botocore, run, commit."""

import datetime
import json
import pathlib
import random
import struct
import zlib
from unittest import mock
from urllib.parse import quote

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.eventstream import EventStreamBuffer

FOLDER = pathlib.Path(__file__).parent
WIRE = FOLDER.parents[2] / "SluiceWireTests" / "Golden"
CHARACTERS = "abcXYZ019-._~:/@!$'()*+,;=%é日 "


def text(draw, characters, most, least=1):
    return "".join(draw.choice(characters) for _ in range(draw.randint(least, most)))


def model(draw):
    kind = draw.randrange(3)
    if kind == 0:
        return f"{draw.choice(['', 'us.', 'eu.'])}anthropic.claude-{draw.randint(1, 9)}-v{draw.randint(1, 3)}:0"
    if kind == 1:
        account = draw.randint(10**11, 10**12 - 1)
        return f"arn:aws:bedrock:eu-west-1:{account}:application-inference-profile/{text(draw, 'abc0123', 12)}"
    return text(draw, CHARACTERS, 24)


def signature(draw):
    when = datetime.datetime(1971, 1, 1) + datetime.timedelta(seconds=draw.randrange(4 * 10**9))
    region = draw.choice(["us-east-1", "eu-central-1", "ap-northeast-3"])
    service = draw.choice(["bedrock", "bedrock", "service"])
    token = text(draw, "abc/+=0123", 90) if draw.random() < 0.5 else None
    key, secret = text(draw, "AKIXYZ234", 20), text(draw, "abcDEF/+0123", 40)
    host = draw.choice([f"bedrock-runtime.{region}.amazonaws.com", "localhost:4566", "[::1]:8080", "example.org"])
    scheme = draw.choice(["https", "http"])
    url = f"{scheme}://{host}/model/{quote(model(draw), safe='-._~')}/{draw.choice(['converse', 'converse-stream'])}"
    if draw.random() < 0.3:
        pairs = [(text(draw, CHARACTERS, 6), text(draw, CHARACTERS, 6, 0)) for _ in range(draw.randint(1, 5))]
        url += "?" + "&".join(f"{quote(k, safe='-._~')}={quote(v, safe='-._~')}" for k, v in pairs)
    headers = {"Content-Type": "application/json"}
    if draw.random() < 0.5:
        headers["X-Extra"] = text(draw, "ab  \t\"", 20) + "x"
    if draw.random() < 0.2:
        headers["User-Agent"] = "somebody"
    body = text(draw, CHARACTERS, 200, 0)
    request = AWSRequest("POST", url, headers=dict(headers), data=body.encode())
    signer = botocore.auth.SigV4Auth(Credentials(key, secret, token), service, region)
    with mock.patch.object(botocore.auth, "get_current_datetime", lambda: when):
        signer.add_auth(request)
    return {
        "url": url, "headers": list(headers.items()), "body": body, "region": region, "service": service, "key": key,
        "secret": secret, "token": token, "seconds": int((when - datetime.datetime(1970, 1, 1)).total_seconds()),
        "authorization": request.headers["Authorization"],
    }


def header(draw, name):
    kind = draw.randrange(10)
    data = name.encode()
    start = bytes([len(data)]) + data + bytes([kind])
    if kind < 2:
        return start, {"type": kind}
    if kind in (6, 7):
        value = text(draw, "abcé日-", 30, 0).encode() if kind == 7 else draw.randbytes(draw.randint(0, 40))
        shown = value.decode() if kind == 7 else value.hex()
        return start + struct.pack(">H", len(value)) + value, {"type": kind, "value": shown}
    if kind == 9:
        value = draw.randbytes(16)
        return start + value, {"type": kind, "value": value.hex()}
    form = {2: ">b", 3: ">h", 4: ">i", 5: ">q", 8: ">q"}[kind]
    value = struct.unpack(form, draw.randbytes(struct.calcsize(form)))[0]
    return start + struct.pack(form, value), {"type": kind, "value": str(value)}


def judged(header_value):
    if isinstance(header_value, bool):
        return header_value
    return header_value.hex() if isinstance(header_value, bytes) else str(header_value)


def message(draw):
    headers, encoded = [], b""
    for number in range(draw.randint(0, 6)):
        name = f":{text(draw, 'abc-é', 12)}{number}"
        data, value = header(draw, name)
        encoded += data
        headers.append({"name": name, **value})
    payload = draw.randbytes(draw.randint(0, 200))
    prelude = struct.pack(">II", len(encoded) + len(payload) + 16, len(encoded))
    whole = prelude + struct.pack(">I", zlib.crc32(prelude)) + encoded + payload
    whole += struct.pack(">I", zlib.crc32(whole))
    buffer = EventStreamBuffer()
    buffer.add_data(whole)
    event = next(buffer)
    assert event.payload == payload
    for entry in headers:
        found = event.headers[entry["name"]]
        expected = entry.get("value", entry["type"] == 0)
        assert judged(found) == expected, (found, expected)
    return {"bytes": whole.hex(), "headers": headers, "payload": payload.hex()}


def write(path, entries):
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
    path.write_text(f"[\n{lines}\n]\n")


draw = random.Random(20150830)
write(FOLDER / "sigv4-botocore.json", [signature(draw) for _ in range(200)])
write(WIRE / "event-stream.json", [message(draw) for _ in range(60)])
