# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients in Python, each with nothing but a guest's environment: clients.py requests|urllib|events|websocket"""
import asyncio
import hashlib
import os
import socket
import sys
import urllib.error
import urllib.request


def through_requests():
    import requests
    session = requests.Session()
    body = os.urandom(2000000)
    for host in 'https://keyed.test', 'https://files.test', 'http://files.test':
        assert session.get(host + '/hello', timeout=20).text == 'hello\n'
        assert session.put(host + '/up/requests', data=body, timeout=20).status_code in (201, 204)
        assert session.get(host + '/up/requests', timeout=20).content == body
        assert session.put(host + '/up/requests', data=iter([body, body]), timeout=20).status_code in (201, 204)
        answer = session.get(host + '/up/requests', headers={'Range': 'bytes=1999998-2000001'}, timeout=20)
        part, whole = (206, body[-2:] + body[:2]), (200, body + body)
        assert (answer.status_code, answer.content) == (whole if 'keyed' in host else part)
    answer = session.get('https://keyed.test/who', headers={'Authorization': 'Bearer placeholder'}, timeout=20)
    assert answer.text == 'right\n', answer.text
    for host in 'https://keyed.test', 'https://files.test':
        assert session.get(host + '/packed', timeout=20).text == 'packed ' * 10000
    answer = session.get('https://keyed.test/denied/', timeout=20)
    assert answer.status_code == 403 and answer.headers['Creel-Denied'] == 'rule' and answer.json()['reason'] == 'rule'
    try:
        session.get('https://other.test/', timeout=20)
        raise AssertionError
    except requests.exceptions.ProxyError:
        pass


def through_urllib():
    for url in 'https://keyed.test/hello', 'https://files.test/hello', 'http://files.test/hello':
        assert urllib.request.urlopen(url, timeout=20).read() == b'hello\n'
    with urllib.request.urlopen('https://keyed.test/big', timeout=20) as answer:
        print(hashlib.file_digest(answer, 'sha256').hexdigest())
    try:
        urllib.request.urlopen('https://keyed.test/denied/', timeout=20)
        raise AssertionError
    except urllib.error.HTTPError as error:
        assert error.code == 403


def take_events():
    import requests
    for url in 'https://keyed.test', 'https://files.test', 'http://files.test:8080':
        name = '/' + url.replace('/', '') + str(os.getpid())
        with requests.get(url + '/events' + name, stream=True, timeout=20) as answer:
            events = []
            for line in answer.iter_lines(chunk_size=1):
                if line:
                    events.append(line)
                    requests.post(url + '/taken' + name, timeout=20)
        assert events == [b'data: %d' % number for number in range(5)], events


def by_connect(host):
    """A connection by way of the proxy, as clients make one that know of it."""
    connection = socket.create_connection(('127.0.0.1', 3128), timeout=20)
    connection.sendall(f'CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n'.encode())
    answer = b''
    while not answer.endswith(b'\r\n\r\n'):
        answer += connection.recv(1)
    assert b' 200 ' in answer.partition(b'\r\n')[0], answer
    return {'sock': connection, 'server_hostname': host}


async def talk(url, way=dict):
    import websockets
    async with websockets.connect(url, max_size=None, **way()) as client:
        large = os.urandom(2000000)
        for message in 'h\u00e9llo', '', b'\0\xff', large, large.hex(), 'x' * 125, 'x' * 126, 'x' * 65535, 'x' * 65536:
            await client.send(message)
            assert await client.recv() == message
        await client.send([large[:70000], large[70000:70001], b'', large[70001:]])
        assert await client.recv() == large
        for message in ['large'] * 2 + ['y' * 300000] * 5:
            await client.send(message)
        sizes = [len(await client.recv()) for _ in range(7)]
        assert sizes == [6000000] * 2 + [300000] * 5, sizes
        await asyncio.wait_for(await client.ping(b'ping'), 20)
        await client.send('who')
        who = await client.recv()
        await client.close(4000, 'enough')
        assert client.close_code == 4000, client.close_code
    async with websockets.connect(url, **way()) as client:
        await client.send('end')
        try:
            await client.recv()
            raise AssertionError
        except websockets.ConnectionClosedError as closed:
            assert (closed.rcvd.code, closed.rcvd.reason) == (4001, 'the server ends')
    return who


async def through_websocket():
    import websockets
    # it knows of no proxy, so it goes the transparent way: intercepted, and in a tunnel
    print(await talk('wss://keyed.test/ws'))
    assert await talk('wss://files.test:8443/ws') == 'none'
    assert await talk('wss://keyed.test/ws', lambda: by_connect('keyed.test')) == 'right'
    assert await talk('wss://files.test/ws', lambda: by_connect('files.test')) == 'none'
    try:
        await websockets.connect('wss://keyed.test/denied/ws')
        raise AssertionError
    except websockets.InvalidStatusCode as error:
        assert error.status_code == 403


what = {'requests': through_requests, 'urllib': through_urllib, 'events': take_events, 'websocket': lambda: asyncio.run(through_websocket())}
what[sys.argv[1]]()
print('all went well')
