# SPDX-License-Identifier: LGPL-2.1-or-later
"""creel-proxy-try as a child of a test, with what it wrote for the journal."""
import os
import re
import socket
import ssl
import subprocess
import sys
import threading

PATIENCE = 8


class Failure(Exception):
    pass


def make_pair(work):
    pem = f'{work}/trust/origin.pem'
    os.makedirs(f'{work}/trust')
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
                    '-keyout', f'{work}/key.pem', '-out', pem, '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'],
                   check=True, stderr=subprocess.DEVNULL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, f'{work}/key.pem')
    return context


def free_port():
    with socket.create_server(('127.0.0.1', 0)) as probe:
        return probe.getsockname()[1]


class Proxy:
    """One creel-proxy-try and the audit entries that it wrote."""

    def __init__(self, program, work, options):
        self.port, self.entries, self.news = free_port(), [], threading.Condition()
        self.ca = f'{work}/ca-{self.port}.pem'
        self.process = subprocess.Popen([program, '--port', str(self.port), '--ca', self.ca, '--trust', f'{work}/trust',
                                         '--audit', f'{work}/journal-{self.port}', *options],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if self.process.stdout.readline() != b'ready\n':
            raise SystemExit('the proxy did not start: ' + self.process.stderr.read().decode())
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stderr:
            text = line.decode('utf-8', 'replace')
            if not text.startswith('audit: '):
                sys.stderr.write(text)
            with self.news:
                self.entries.append(text)
                self.news.notify_all()

    def wait_for(self, start, pattern):
        with self.news:
            if not self.news.wait_for(lambda: any(re.search(pattern, entry) for entry in self.entries[start:]), PATIENCE):
                raise Failure(f'no audit entry with {pattern}, only {self.entries[start:]}')

    def stop(self):
        self.process.terminate()
        return self.process.wait(30)
