# SPDX-License-Identifier: LGPL-2.1-or-later
"""rude_proxy.py PORT: a proxy of a company that answers CONNECT with interim answers and nothing else, and other requests with an error page
that shows what it was asked, as some do in a link for a mail to its keeper."""
import base64
import re
import socket
import sys
import threading
import urllib.parse


def serve(connection):
    with connection:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.recv(65536)
            if not piece:
                return
            head += piece
        try:
            while head.startswith(b"CONNECT "):
                connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000)
        except OSError:
            return
        token = re.search(rb"Proxy-Authorization: Basic (\S+)", head)[1]
        user = base64.b64decode(token)
        page = b"\n".join([head, token, user, urllib.parse.quote(user).encode(), urllib.parse.quote(head).encode(), user.split(b":")[1]])
        connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nX-Asked: %s\r\nContent-Length: %d\r\n\r\n%s" % (token, len(page), page))


server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
