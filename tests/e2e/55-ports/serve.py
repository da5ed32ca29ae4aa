# SPDX-License-Identifier: LGPL-2.1-or-later
# A server for the guest, with no more than its small Python: the first line says what a connection does.
# serve.py PORT [ADDRESS]
import socket
import struct
import sys
import threading
import time

ZEROS = bytes(65536)


def first_line(connection):
    line = b""
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            break
        line += byte
    return line.decode("latin-1").split() or [""]


def serve(connection):
    with connection:
        words = first_line(connection)
        if words[0] == "GET":
            body = b"hello from the guest\n"
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        elif words[0] == "count":
            total = 0
            while chunk := connection.recv(1 << 20):
                total += len(chunk)
            connection.sendall(b"%d\n" % total)
        elif words[0] == "zeros":
            left = int(words[1])
            while left > 0:
                connection.sendall(ZEROS[:left])
                left -= min(left, len(ZEROS))
        elif words[0] == "flood":
            while True:
                connection.sendall(ZEROS)
        elif words[0] == "hold":
            connection.sendall(b"held\n")
            while connection.recv(65536):
                pass
        elif words[0] == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif words[0] == "deaf":
            time.sleep(3600)


def serve_quietly(connection):
    try:
        serve(connection)
    except OSError:
        pass


address = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1"
listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((address, int(sys.argv[1])))
listener.listen(512)
while True:
    threading.Thread(target=serve_quietly, args=(listener.accept()[0],), daemon=True).start()
