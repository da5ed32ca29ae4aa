# SPDX-License-Identifier: LGPL-2.1-or-later
"""What nginx cannot be of an origin: events one by one, a reader of endless uploads (port 8080), a WebSocket that echoes (8081)."""
import asyncio
import os

import websockets

ADDRESS = '127.0.0.2'
taken = {}


async def events(name, writer):
    """The next event is sent only when the client says that it has the last; of "all" at once."""
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n')
    taken[name] = asyncio.Queue()
    for number in range(5):
        event = b'data: %d\n\n' % number
        writer.write(b'%x\r\n%s\r\n' % (len(event), event))
        await writer.drain()
        if name != 'all':
            await taken[name].get()
    writer.write(b'0\r\n\r\n')


async def count_body(reader, fields):
    total = 0
    if 'chunked' in fields.get('transfer-encoding', ''):
        while size := int(await reader.readline(), 16):
            total += len(await reader.readexactly(size))
            await reader.readline()
        await reader.readline()
        return total
    left = int(fields.get('content-length', 0))
    while left > total:
        data = await reader.read(min(262144, left - total))
        if not data:
            raise EOFError
        total += len(data)
    return total


async def serve(reader, writer):
    try:
        while line := await reader.readline():
            path = line.decode().split()[1]
            fields = {}
            while (line := (await reader.readline()).decode().strip()):
                key, _, value = line.partition(':')
                fields[key.lower()] = value.strip()
            if path.startswith('/events/'):
                await events(path[8:], writer)
                continue
            if path.startswith('/taken/'):
                taken[path[7:]].put_nowait(None)
            answer = b'%d\n' % await count_body(reader, fields)
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s' % (len(answer), answer))
            await writer.drain()
    except (EOFError, OSError):
        pass
    writer.close()


async def echo(socket, path):
    async for message in socket:
        if message == 'large':
            message = os.urandom(3000000).hex()
        if message == 'end':
            await socket.close(4001, 'the server ends')
        elif message == 'who':
            await socket.send(socket.request_headers.get('Authorization', 'nobody'))
        else:
            await socket.send(message)


async def main():
    await asyncio.start_server(serve, ADDRESS, 8080, limit=1 << 20)
    await websockets.serve(echo, ADDRESS, 8081, max_size=None)
    await asyncio.Future()

asyncio.run(main())
