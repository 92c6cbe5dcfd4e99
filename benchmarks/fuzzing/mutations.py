"""Changes of a file's content, each drawn number by number, so that hypothesis and atheris can both drive them.

All draws go through ``choose(low, high)``, both ends included: hypothesis shrinks them, libFuzzer finds those that reach new code.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Sequence
from typing import Any, Literal

Choose = Callable[[int, int], int]
Kind = Literal["binary", "text", "json"]

WHOLE = (
    0,
    1,
    -1,
    2,
    3,
    4,
    5,
    127,
    128,
    255,
    256,
    32767,
    -32768,
    65535,
    2**31 - 1,
    -(2**31),
    2**32 - 1,
    2**63 - 1,
    -(2**63),
)
REAL = (0.0, -0.0, 1.0, -1.0, 1e-300, 1e300, 1e30, float("inf"), float("-inf"), float("nan"), 1e-45, 9999.0, 0.5)
WORDS = (
    *(
        "",
        "0",
        "-1",
        "1",
        "-0",
        "1.5",
        "9999",
        "1e30",
        "1e999",
        "-1e999",
        "inf",
        "-inf",
        "nan",
        "-nan",
        "NA",
        "None",
        "true",
    ),
    *(
        "99999999999999999999",
        "0x10",
        "1,5",
        "abc",
        "../../x",
        "/etc/passwd",
        "~",
        "[/b]",
        "$x_$",
        "=1+1",
        "\x00",
        "ä",
        "\u202e",
    ),
    *(
        "9" * 5000,
        "a" * 300,
        "{}",
        "[]",
        '"',
        "'",
        ",",
        ";",
        ":",
        "\t",
        "\r\n",
        "#",
        "%s",
        "{0}",
        "../" * 50,
        "1 1",
        "all",
        "ED",
    ),
)
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, 1.5, -1e308, float("nan"), float("inf"), float("-inf")),
    *("", "x", "../../x", "/etc/passwd", "\x00", "a" * 3000, "nan", "subprocess.Popen"),
    *([], [None], [[]], [1, 2, 3], ["a"], {}, {"type": "subprocess.Popen"}, {"": None}, {"a": {"b": []}}),
)
_TOKEN = re.compile(r"[^\s,;:=|{}\[\]\"]+")


def mutated(content: bytes, kind: Kind, choose: Choose) -> bytes:
    """The content with one to four changes of its kind."""
    for _ in range(choose(1, 4)):
        content = _change(content, kind, choose)
    return content


def _change(content: bytes, kind: Kind, choose: Choose) -> bytes:
    # One change in four is of bytes whatever the kind: a text may be cut in the middle of a letter.
    if kind == "binary" or choose(0, 3) == 0:
        return _pick(_BINARY, choose)(content, choose)
    if kind == "json":
        return _json(content, choose)
    return _pick(_TEXT, choose)(content.decode("utf-8", "surrogateescape"), choose).encode("utf-8", "surrogateescape")


def _pick(options: Sequence[Any], choose: Choose) -> Any:
    return options[choose(0, len(options) - 1)]


def _place(length: int, choose: Choose) -> int:
    """An index; every other one in the first 400 bytes, where headers are."""
    last = max(length - 1, 0)
    return choose(0, min(last, 400)) if choose(0, 1) else choose(0, last)


def _flip(content: bytes, choose: Choose) -> bytes:
    if not content:
        return content
    place, bit = _place(len(content), choose), choose(0, 7)
    return content[:place] + bytes([content[place] ^ (1 << bit)]) + content[place + 1 :]


def _number(content: bytes, choose: Choose) -> bytes:
    """A number of one to eight bytes that means trouble, laid over what is there."""
    order, place = _pick("<>", choose), _place(len(content), choose)
    if choose(0, 2):
        code, mask = _pick((("B", 0xFF), ("H", 0xFFFF), ("I", 0xFFFFFFFF), ("Q", 2**64 - 1)), choose)
        packed = struct.pack(order + code, _pick(WHOLE, choose) & mask)
    else:
        code, value = _pick("fd", choose), _pick(REAL, choose)
        packed = struct.pack(
            order + code, value if code == "d" or abs(value) < 1e38 or value != value else float("inf")
        )
    return content[:place] + packed + content[place + len(packed) :]


def _cut(content: bytes, choose: Choose) -> bytes:
    return content[: _place(len(content), choose)]


def _drop(content: bytes, choose: Choose) -> bytes:
    place = _place(len(content), choose)
    return content[:place] + content[place + choose(1, 64) :]


def _double(content: bytes, choose: Choose) -> bytes:
    place, length = _place(len(content), choose), choose(1, 64)
    return content[: place + length] + content[place:]


def _insert(content: bytes, choose: Choose) -> bytes:
    place = _place(len(content), choose)
    return content[:place] + bytes(choose(0, 255) for _ in range(choose(1, 8))) + content[place:]


def _fill(content: bytes, choose: Choose) -> bytes:
    place, length = _place(len(content), choose), choose(1, 200)
    return content[:place] + bytes([_pick((0, 255, 32, 10), choose)]) * length + content[place + length :]


def _token(text: str, choose: Choose) -> str:
    matches = list(_TOKEN.finditer(text))
    if not matches:
        return text + str(_pick(WORDS, choose))
    match = matches[choose(0, len(matches) - 1)]
    return text[: match.start()] + str(_pick(WORDS, choose)) + text[match.end() :]


def _head(text: str, choose: Choose) -> str:
    """A word of the first line, which names the columns."""
    first, newline, rest = text.partition("\n")
    return _token(first, choose) + newline + rest


def _lines(text: str, choose: Choose) -> str:
    lines = text.split("\n")
    place = choose(0, len(lines) - 1)
    what = choose(0, 3)
    if what == 0:
        del lines[place]
    elif what == 1:
        lines.insert(place, lines[choose(0, len(lines) - 1)])
    elif what == 2:
        lines = lines[: place + 1]
    else:
        lines.insert(place, str(_pick(WORDS, choose)))
    return "\n".join(lines)


def _separator(text: str, choose: Choose) -> str:
    old, new = _pick(",;:\n\t ", choose), _pick((",", ";", ":", "\t", " ", "", ",,", "\r", "\x00", '"'), choose)
    return text.replace(old, new, choose(1, 5))


_BINARY = (_flip, _number, _number, _cut, _drop, _double, _insert, _fill)
_TEXT = (_token, _token, _token, _head, _lines, _separator)


def _json(content: bytes, choose: Choose) -> bytes:
    """Another value, key or nesting somewhere in the tree; what is no JSON any more is changed as text."""
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        return _pick(_TEXT, choose)(content.decode("utf-8", "replace"), choose).encode("utf-8", "replace")
    places = [(None, None), *_places(tree)]
    holder, key = places[choose(0, len(places) - 1)]
    value = _pick(ODD, choose)
    what = choose(0, 5)
    if holder is None:
        tree = value if what else [tree]
    elif what == 0:
        del holder[key]
    elif what == 1 and isinstance(holder, dict):
        holder[str(_pick(WORDS, choose))] = holder.pop(key)
    elif what == 2:
        holder[key] = [holder[key]] * choose(0, 3)
    else:
        holder[key] = value
    # Python's reader takes NaN and Infinity, which are no JSON: a file may hold them.
    return json.dumps(tree).encode("utf-8", "surrogatepass")


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """(container, key or index) of every value inside."""
    found: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        items = (
            list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
        )
        found += [(node, key) for key, _ in items]
        waiting += [value for _, value in items]
    return found
