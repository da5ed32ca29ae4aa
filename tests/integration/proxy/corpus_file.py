# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads corpus/*.txt; corpus/README.md says how they are written."""
import re

WAYS = ('proxy', 'connect', 'transparent', 'tls')
MANNERS = ('early', 'eager', 'stays', 'abrupt')
OUTCOME = re.compile(r'passes( [0-9]{3})?|connected|refused [0-9]{3} [a-z-]+( unfinished)?|alert [a-z-]+|closed|cut|dropped')


class Frame:
    def __init__(self, where):
        self.where, self.ways, self.rules, self.name, self.spec = where, WAYS, 'open', 'localhost', ''
        self.manners, self.ends = set(), False
        self.parts = {'>': [], '<': [], '!': [], '=': []}


class Vector:
    def __init__(self, frame, where, columns):
        self.frame, self.where = frame, where
        self.name, self.x, outcome, self.y, self.reason = columns
        self.outcomes = [text.strip() + ' 200' * (text.strip() == 'passes') for text in outcome.split('+')]
        if frame.spec:
            self.reason += f' ({frame.spec})'
        if not self.name or not self.reason:
            raise SystemExit(f'{where}: a name and a reason are wanted')
        for text in self.outcomes:
            if not OUTCOME.fullmatch(text):
                raise SystemExit(f'{where}: “{text}” is no outcome')
        if self.y == '=':
            self.y = self.x

    @property
    def is_attack(self):
        return any(not text.startswith(('passes', 'connected', 'dropped')) for text in self.outcomes)

    def build(self, kind, values):
        """The bytes of the lines of a kind, None when there are none."""
        lines = self.frame.parts[kind]
        if not lines:
            return None
        text = b''
        for end, line in lines:
            if line == '{y}' and self.y == '-':
                continue
            text += expand(line, dict(values, x=self.x, y=self.y)) + end
        return text


def make_hello(name):
    """A ClientHello that asks for the name (bytes)."""
    entry = b'\0' + len(name).to_bytes(2, 'big') + name
    names = len(entry).to_bytes(2, 'big') + entry
    extensions = b'\0\0' + len(names).to_bytes(2, 'big') + names
    body = b'\3\3' + bytes(32) + b'\0' + b'\0\2\x13\1' + b'\1\0' + len(extensions).to_bytes(2, 'big') + extensions
    message = b'\1' + len(body).to_bytes(3, 'big') + body
    return b'\x16\3\1' + len(message).to_bytes(2, 'big') + message


def expand(line, values):
    for _ in range(3):
        line = re.sub(r'\{([a-z]+)\}', lambda match: str(values.get(match[1], match[0])), line)
    while line != (line := re.sub(r'\{\*([0-9]+):([^{}]*)\}', lambda match: match[2] * int(match[1]), line)):
        pass
    plain, mark, name = line.partition('{hello:')
    return unescape(plain) + (make_hello(unescape(name.removesuffix('}'))) if mark else b'')


def unescape(line):
    simple = {'r': b'\r', 'n': b'\n', 't': b'\t', '0': b'\0', '\\': b'\\', 's': b' '}
    raw = b''
    for part in re.findall(r'\\x[0-9a-f]{2}|\\.|[^\\]+', line):
        if part.startswith('\\x'):
            raw += bytes.fromhex(part[2:])
        elif part.startswith('\\'):
            raw += simple[part[1]]
        else:
            raw += part.encode()
    return raw


def load(path):
    frame, vectors, number = None, [], 0
    for number, line in enumerate(open(path, encoding='utf-8'), 1):
        line = line.rstrip('\n')
        where = f'{path.rsplit("/", 1)[-1]}:{number}'
        kind = line[:1]
        if not line or kind == '#':
            continue
        if line == '[frame]':
            frame = Frame(where)
        elif kind in frame.parts and line[1:2] == kind:
            frame.parts[kind].append((b'', line[3:]))
        elif kind in frame.parts:
            frame.parts[kind].append((b'\r\n', line[2:]))
        elif line.startswith('ways: '):
            frame.ways = line[6:].split()
        elif line.startswith('rules: '):
            frame.rules = line[7:]
        elif line.startswith('sni: '):
            frame.name = line[5:]
        elif line.startswith('spec: '):
            frame.spec = line[6:]
        elif line in MANNERS:
            frame.manners.add(line)
        elif line == 'ends':
            frame.ends = True
        else:
            columns = [column.strip() for column in re.split(r' \|(?= |$)', line)]
            if len(columns) != 5:
                raise SystemExit(f'{where}: five columns are wanted: name, x, outcome, y, reason')
            vectors.append(Vector(frame, where, columns))
    return vectors
