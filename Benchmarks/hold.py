"""A backend that holds every request for some seconds: hold.py PORT SECONDS."""

import asyncio,sys
async def h(r,w):
    try:
        while True:
            head=await r.readuntil(b"\r\n\r\n")
            n=0
            for l in head.split(b"\r\n"):
                if l.lower().startswith(b"content-length:"): n=int(l.split(b":")[1])
            if n: await r.readexactly(n)
            await asyncio.sleep(float(sys.argv[2]))
            w.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
            await w.drain()
    except Exception: pass
    finally: w.close()
async def main():
    s=await asyncio.start_server(h,"127.0.0.1",int(sys.argv[1]),backlog=8192)
    async with s: await s.serve_forever()
asyncio.run(main())
