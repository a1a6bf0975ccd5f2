"""Changed copies of small valid files: what a damaged disk, another program or an attacker makes of them."""

from __future__ import annotations

import json
import struct
from copy import deepcopy
from random import Random

_NUMBERS = [0, 1, 2, 3, 4, 7, 8, 127, 128, 255, 256, 32767, 32768, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1]
_TOKENS = [
    b"",
    b"-1",
    b"0",
    b"nan",
    b"inf",
    b"1e308",
    b"99999999999999999999",
    b"%s%n",
    b"../",
    b"\x00",
    b"\x1b[2J",
    b"\n",
    b"\xff\xfe",
    b"{case:9999999}",
]
_VALUES = [
    None,
    True,
    -1,
    0,
    10**30,
    1e308,
    0.5,
    "",
    "x" * 10_000,
    "%s%n",
    "../../x",
    "\x1b]0;",
    "=1+1",
    "{case:999999999}",
    [],
    {},
    [[]],
    {"a": {}},
]


def mutate_bytes(content: bytes, random: Random, start: int = 0) -> bytes:
    """A copy with one to four changes from byte `start` on."""
    data = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        at = random.randrange(start, max(len(data), start + 1))
        kind = random.randrange(8)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << random.randrange(8)
        elif kind == 1 and at < len(data):
            data[at] = random.choice((0, 1, 0x20, 0x2D, 0x39, 0x7F, 0x80, 0xFF))
        elif kind == 2:
            del data[at:]
        elif kind == 3:
            del data[at : at + random.choice((1, 2, 4, 16, 100))]
        elif kind == 4:
            data[at:at] = random.choice(_TOKENS)
        elif kind == 5:
            data[at : at + 4] = struct.pack(random.choice("<>") + "I", random.choice(_NUMBERS) & 0xFFFFFFFF)
        elif kind == 6:
            data[at : at + 2] = struct.pack(random.choice("<>") + "H", random.choice(_NUMBERS) & 0xFFFF)
        else:
            data[at:at] = data[at : at + random.choice((1, 4, 50, 1000))]
    return bytes(data)


def mutate_json(content: bytes, random: Random) -> bytes:
    """A copy of a JSON document in which one to three values or names are others; or one changed as bytes."""
    if random.random() < 0.2:
        return mutate_bytes(content, random)
    data = json.loads(content)
    for _ in range(random.choice((1, 1, 2, 3))):
        places = list(_places(data))
        if not places:
            break
        inside, key = random.choice(places)
        kind = random.randrange(4)
        if kind == 0:
            del inside[key]
        elif kind == 1 and isinstance(inside, dict):
            inside[str(random.choice(_VALUES))[:50]] = inside.pop(key)
        elif kind == 2 and isinstance(inside[key], (int, float)) and not isinstance(inside[key], bool):
            inside[key] = random.choice((-inside[key], inside[key] * 1e6, inside[key] + 0.5, str(inside[key])))
        else:
            inside[key] = deepcopy(random.choice(_VALUES))
    return json.dumps(data).encode()


def _places(data):
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in list(items):
        yield data, key
        yield from _places(value)
