# SPDX-License-Identifier: LGPL-2.1-or-later
"""The origin of the corpus: keeps every byte that reaches it and answers only what is beyond doubt.

It is stricter than any server, so that a request it calls whole is whole for all of them."""
import contextlib
import re
import socket
import ssl
import threading

HEAD = re.compile(rb'[A-Z-]+ [!-~]+ HTTP/1\.1\r\n(?:[!#$%&\'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*\r\n)+\r\n')
PLAIN = b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'


class Incomplete(Exception):
    pass


def take_chunked(data, start):
    """The end of a chunked body that starts there."""
    while True:
        line = data.find(b'\r\n', start)
        if line < 0:
            raise Incomplete
        if not re.fullmatch(rb'[0-9a-f]{1,15}', data[start:line]):
            raise ValueError('chunk size')
        size = int(data[start:line], 16)
        end = line + 2 + size + 2
        if len(data) < end:
            raise Incomplete
        if data[end - 2:end] != b'\r\n':
            raise ValueError('chunk end')
        start = end
        if size == 0:
            return end


def take_request(data):
    """(bytes of the first request, whether it is a HEAD); Incomplete or ValueError when there is none."""
    end = data.find(b'\r\n\r\n')
    if end < 0:
        raise Incomplete
    head = data[:end + 4]
    if not HEAD.fullmatch(head):
        raise ValueError('head')
    lengths = re.findall(rb'(?im)^content-length:[ \t]*(.*?)\r$', head)
    encodings = re.findall(rb'(?im)^transfer-encoding:[ \t]*(.*?)\r$', head)
    if len(lengths) + len(encodings) > 1 or len(re.findall(rb'(?im)^host:', head)) != 1:
        raise ValueError('framing')
    if encodings:
        if encodings != [b'chunked']:
            raise ValueError('encoding')
        return take_chunked(data, end + 4), head.startswith(b'HEAD ')
    if lengths and not re.fullmatch(rb'[0-9]{1,18}', lengths[0]):
        raise ValueError('length')
    size = end + 4 + (int(lengths[0]) if lengths else 0)
    if len(data) < size:
        raise Incomplete
    return size, head.startswith(b'HEAD ')


class Origin:
    """One listening port. `seen`: what each connection brought since reset(); `whole`: requests beyond doubt among it."""

    def __init__(self, context=None):
        self.context = context
        self.lock = threading.Lock()
        self.answer, self.manners = None, set()
        self.seen, self.whole, self.open = {}, 0, set()
        self.listener = socket.create_server(('127.0.0.1', 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def reset(self, answer=None, manners=()):
        """answer: bytes sent for the first request, after which the connection is closed. Manners: early, before its body came;
        eager, before anything came; stays, the connection is kept and serves others; abrupt, TLS ends without a word."""
        with self.lock:
            self.seen, self.whole, self.answer, self.manners = {}, 0, answer, manners
            # so that a new one is made; one that is ending already is left to itself
            for connection in self.open if 'eager' in manners else ():
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def accept(self):
        number = 0
        while True:
            connection, _ = self.listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            number += 1
            threading.Thread(target=self.serve, args=(connection, number), daemon=True).start()

    def serve(self, connection, number):
        try:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            with self.lock:
                self.open.add(connection)
                eager = 'eager' in self.manners
            if eager:
                self.finish(connection, self.answer)
            else:
                self.talk(connection, number)
        except (OSError, ssl.SSLError):
            pass
        finally:
            with self.lock:
                self.open.discard(connection)
                connection.close()

    def finish(self, connection, answer):
        """Sends it and ends, without the reset that unread bytes would make of the end."""
        connection.sendall(answer)
        connection.settimeout(1)
        if isinstance(connection, ssl.SSLSocket) and 'abrupt' not in self.manners:
            connection = connection.unwrap()
        else:
            connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    def talk(self, connection, number):
        data = b''
        while True:
            more = connection.recv(65536)
            if not more:
                return
            with self.lock:
                self.seen[number] = self.seen.get(number, b'') + more
                answer, manners = self.answer, self.manners
            data += more
            if answer is not None and 'early' in manners and b'\r\n\r\n' in data:
                self.finish(connection, answer)
                return
            while data:
                try:
                    size, is_head = take_request(data)
                except Incomplete:
                    break
                except ValueError:
                    connection.sendall(b'HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
                    return
                data = data[size:]
                with self.lock:
                    self.whole += 1
                    if answer is not None and 'stays' in manners:
                        self.answer = None  # for one request only
                if answer is None:
                    connection.sendall(PLAIN[:-2] if is_head else PLAIN)
                elif 'stays' in manners:
                    connection.sendall(answer)
                    answer = None
                else:
                    self.finish(connection, answer)
                    return
