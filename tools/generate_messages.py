#!/usr/bin/env python3
"""Generate src/crtools/images/messages/*.py from src/crtools/images/proto/*.proto.

Run it after a change of a .proto file; `--check` only tells whether the result is up to date.
It reads the part of proto2 that images use: messages, enums (also inside messages), imports,
defaults and one option of our own, `(show)`, which tells the viewer how to print a field
(proto/show.proto). The generated code is straight-line Python upon crtools.images.wire.
"""

from __future__ import annotations

import argparse
import keyword
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

IMAGES = Path(__file__).resolve().parent.parent / "src" / "crtools" / "images"
SCALARS = {
    "uint32", "uint64", "int32", "int64", "sint32", "sint64", "bool", "fixed64", "string", "bytes",
}  # fmt: skip
LONG_READER = {
    "uint32": "read_varint32",
    "uint64": "read_varint64",
    "int32": "read_int32",
    "int64": "read_int64",
    "sint32": "read_sint32",
    "sint64": "read_sint64",
    "bool": "read_bool",
    "enum": "read_int32",
}
# Messages that are mostly the same in all threads of a process, or in thousands of open files:
# crtools.images.wire.Sharing.
RECALLED = {
    *("user_x86_fpregs_entry", "user_x86_xsave_entry", "user_desc_t", "creds_entry"),
    *("fown_entry", "sk_opts_entry"),
}
# Names that generated code uses itself.
RESERVED = {"self", "cls", "buf", "at", "stop", "tag", "span", "begin", "new", "b", "m", "unknown"}
WIDTH = 100


@dataclass
class ProtoField:
    number: int
    name: str
    label: str
    type: str
    default: str | None = None
    show: str | None = None


@dataclass
class ProtoMessage:
    name: str
    comment: str
    fields: list[ProtoField] = field(default_factory=list)


@dataclass
class ProtoEnum:
    name: str
    comment: str
    values: dict[str, int] = field(default_factory=dict)


@dataclass
class ProtoFile:
    group: str
    imports: list[str] = field(default_factory=list)
    messages: list[ProtoMessage] = field(default_factory=list)
    enums: list[ProtoEnum] = field(default_factory=list)

    @property
    def module(self) -> str:
        return self.group.replace("-", "_")


TOKEN = re.compile(r'//[^\n]*|"[^"\n]*"|-?[A-Za-z0-9_.]+|[{}()\[\]=;,]|\n|[ \t]+|.')


class Parser:
    """A parser of one .proto file. A comment directly above a message or enum belongs to it."""

    def __init__(self, group: str, text: str) -> None:
        self.result = ProtoFile(group)
        self.tokens: list[tuple[str, str]] = []  # token, the comment above it
        comment: list[str] = []
        fresh = True  # nothing but a comment so far on this line
        blank = 0
        for token in TOKEN.findall(text):
            if token == "\n":
                blank = blank + 1 if fresh else 1
                if blank > 1 and fresh:
                    comment = []
                fresh = True
            elif token.startswith("//"):
                if fresh:
                    comment.append(token[2:].strip())
                    blank = -1
            elif not token.isspace():
                self.tokens.append((token, " ".join(comment)))
                comment = []
                fresh = False
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    def take(self, expected: str | None = None) -> str:
        if self.at >= len(self.tokens):
            raise SystemExit(f"{self.result.group}.proto: unexpected end")
        token = self.tokens[self.at][0]
        if expected is not None and token != expected:
            raise SystemExit(f"{self.result.group}.proto: {token!r} where {expected!r} should be")
        self.at += 1
        return token

    def parse(self) -> ProtoFile:
        while self.at < len(self.tokens):
            comment = self.tokens[self.at][1]
            word = self.take()
            if word == "syntax":
                self.take("=")
                self.take('"proto2"')
                self.take(";")
            elif word == "import":
                self.result.imports.append(self.take().strip('"').removesuffix(".proto"))
                self.take(";")
            elif word == "message":
                self.parse_message(comment)
            elif word == "enum":
                self.parse_enum("", comment)
            else:
                raise SystemExit(f"{self.result.group}.proto: {word!r} is not understood")
        return self.result

    def parse_enum(self, scope: str, comment: str) -> None:
        enum = ProtoEnum(scope + self.take(), comment)
        self.take("{")
        while self.peek() != "}":
            name = self.take()
            self.take("=")
            enum.values[name] = int(self.take(), 0)
            self.take(";")
        self.take("}")
        self.result.enums.append(enum)

    def parse_message(self, comment: str) -> None:
        message = ProtoMessage(self.take(), comment)
        self.take("{")
        while self.peek() != "}":
            above = self.tokens[self.at][1]
            word = self.take()
            if word == "enum":
                self.parse_enum(message.name + ".", above)
                continue
            if word not in ("required", "optional", "repeated"):
                raise SystemExit(f"{self.result.group}.proto: {word!r} in {message.name}")
            kind = self.take()
            name = self.take()
            self.take("=")
            one = ProtoField(int(self.take()), name, word, kind)
            if self.peek() == "[":
                while self.take() != "]":
                    option = self.take()
                    if option == "(":
                        option = self.take()
                        self.take(")")
                    self.take("=")
                    value = self.take().strip('"')
                    if option == "default":
                        one.default = value
                    elif option == "show":
                        one.show = value
                    else:
                        raise SystemExit(f"{message.name}.{name}: option {option!r} is unknown")
            self.take(";")
            message.fields.append(one)
        self.take("}")
        message.fields.sort(key=lambda item: item.number)
        self.result.messages.append(message)


def class_name(name: str) -> str:
    """user_x86_regs_entry -> UserX86RegsEntry, core_entry.march -> CoreEntryMarch."""
    return "".join(word[:1].upper() + word[1:] for word in re.split(r"[_.]", name))


def encode_varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes((*out, value))


def literal(value: object) -> str:
    if isinstance(value, bytes):
        return 'b"' + "".join(f"\\x{byte:02x}" for byte in value) + '"'
    return '"' + value + '"' if isinstance(value, str) else repr(value)


class Generator:
    """Writes one module. `kinds` maps each message and enum name to (group, "message"|"enum")."""

    def __init__(
        self,
        source: ProtoFile,
        kinds: dict[str, tuple[str, str]],
        enums: dict[str, dict[str, int]],
    ) -> None:
        self.source = source
        self.kinds = kinds
        self.enums = enums
        self.tables: dict[tuple[int, str], None] = {}
        self.helpers: set[str] = set()
        self.lines: list[str] = []

    def kind(self, one: ProtoField, scope: str) -> tuple[str, str | None]:
        """(type, target) as in FIELDS: a scalar's name, or "enum"/"message" and where it is."""
        if one.type in SCALARS:
            return one.type, None
        for name in (f"{scope}.{one.type}", one.type):
            if name in self.kinds:
                group, kind = self.kinds[name]
                return kind, f"{group.replace('-', '_')}:{class_name(name)}"
        raise SystemExit(f"{scope}.{one.name}: no type {one.type}")

    def default(self, one: ProtoField, scope: str) -> int | None:
        if one.default is None:
            return None
        if one.default in ("true", "false"):
            return one.default == "true"
        if re.fullmatch(r"-?\d+", one.default):
            return int(one.default)
        for name in (f"{scope}.{one.type}", one.type):
            if name in self.enums:
                return self.enums[name][one.default]
        raise SystemExit(f"{scope}.{one.name}: default {one.default}")

    def table(self, number: int, kind: str) -> str:
        self.tables[number, kind] = None
        return f"_{kind}_{number}"

    def put(self, line: str = "", indent: int = 0) -> None:
        self.lines.append(" " * indent + line if line else "")

    def generate(self) -> str:
        for enum in self.source.enums:
            self.write_enum(enum)
        for message in self.source.messages:
            self.write_message(message)
        body = self.lines
        self.lines = []
        name = f"proto/{self.source.group}.proto"
        self.put(f'"""Generated from {name} by tools/generate_messages.py: do not edit."""')
        self.put()
        self.put("from __future__ import annotations")
        self.put()
        if self.source.messages:
            self.put("from crtools.images.wire import (")
            for helper in sorted({"Message", "bad_value", *self.helpers}, key=str):
                self.put(f"{helper},", 4)
            self.put(")")
            self.put()
        self.put("TYPE_CHECKING = False")
        self.put("if TYPE_CHECKING:")
        if any(one.label == "repeated" for m in self.source.messages for one in m.fields):
            self.put("from collections.abc import Sequence", 4)
        typing = ["Any"] if any(m.fields for m in self.source.messages) else []
        typing += ["ClassVar"] if self.source.enums else []
        typing += ["Self"] if self.source.messages else []
        self.put(f"from typing import {', '.join(typing)}", 4)
        foreign: dict[str, set[str]] = {}
        for message in self.source.messages:
            for one in message.fields:
                kind, target = self.kind(one, message.name)
                if kind == "message" and target is not None:
                    module, _, cls = target.partition(":")
                    if module != self.source.module:
                        foreign.setdefault(module, set()).add(cls)
        if foreign:
            self.put()
        for module in sorted(foreign):
            names = ", ".join(sorted(foreign[module]))
            self.put(f"from crtools.images.messages.{module} import {names}", 4)
        if self.tables:
            self.put()
        for number, kind in sorted(self.tables, key=lambda key: (key[1], key[0])):
            self.put(f'_{kind}_{number} = field({number}, "{kind}")')
        self.lines += body
        return "\n".join(self.lines) + "\n"

    def write_docstring(self, text: str, indent: int) -> None:
        line = ""
        lines = []
        for word in f'"""{text}'.split():
            if line and indent + len(line) + 1 + len(word) > WIDTH - 3:
                lines.append(line)
                line = word
            else:
                line = f"{line} {word}" if line else word
        lines.append(line + '"""')
        for line in lines:
            self.put(line, indent)

    def write_enum(self, enum: ProtoEnum) -> None:
        self.put()
        self.put()
        self.put(f"class {class_name(enum.name)}:")
        self.write_docstring(enum.comment or f"Values of the enum {enum.name}.", 4)
        self.put()
        for name, value in enum.values.items():
            if keyword.iskeyword(name) or name == "NAMES":
                raise SystemExit(f"{enum.name}.{name} is a word of Python's")
            self.put(f"{name} = {value}", 4)
        self.put()
        self.put("NAMES: ClassVar[dict[int, str]] = {", 4)
        for name, value in enum.values.items():
            self.put(f'{value}: "{name}",', 8)
        self.put("}", 4)

    def write_message(self, message: ProtoMessage) -> None:
        for one in message.fields:
            if one.name in RESERVED or keyword.iskeyword(one.name):
                raise SystemExit(f"{message.name}.{one.name}: the name is taken")
        self.put()
        self.put()
        self.put(f"class {class_name(message.name)}(Message):")
        self.write_docstring(message.comment or f"The message {message.name}.", 4)
        self.put()
        if message.fields:
            self.put("__slots__ = (", 4)
            for one in message.fields:
                self.put(f'"{one.name}",', 8)
            self.put(")", 4)
        else:
            self.put("__slots__ = ()", 4)
        self.put()
        self.put(f'NAME = "{message.name}"', 4)
        if message.fields:
            self.put("FIELDS = (", 4)
            for one in message.fields:
                kind, target = self.kind(one, message.name)
                parts = (
                    one.number, one.name, one.label, kind, target,
                    self.default(one, message.name), one.show,
                )  # fmt: skip
                text = f"({', '.join(literal(part) for part in parts)}),"
                if len(text) + 8 <= WIDTH:
                    self.put(text, 8)
                else:
                    self.put("(", 8)
                    for part in parts:
                        self.put(f"{literal(part)},", 12)
                    self.put("),", 8)
            self.put(")", 4)
        self.put()
        self.write_init(message)
        self.put()
        self.write_encode(message)
        self.put()
        self.write_read(message)

    def write_init(self, message: ProtoMessage) -> None:
        self.put("def __init__(", 4)
        self.put("self,", 8)
        self.put("*,", 8)
        for one in message.fields:
            kind, target = self.kind(one, message.name)
            python = {"string": "str", "bytes": "bytes", "bool": "bool"}.get(kind, "int")
            if kind == "message" and target is not None:
                python = target.partition(":")[2]
            default = self.default(one, message.name)
            if one.label == "repeated":
                self.put(f"{one.name}: Sequence[{python}] = (),", 8)
            elif one.label == "optional":
                self.put(f"{one.name}: {python} | None = None,", 8)
            elif default is not None:
                self.put(f"{one.name}: {python} = {default},", 8)
            else:
                self.put(f"{one.name}: {python},", 8)
        self.put('unknown: bytes = b"",', 8)
        self.put(") -> None:", 4)
        for one in message.fields:
            self.put(f"self.{one.name} = {one.name}", 8)
        self.put("self.unknown = unknown", 8)

    def write_encode(self, message: ProtoMessage) -> None:
        self.put("def encode(self) -> bytes:", 4)
        self.put("try:", 8)
        self.put('return b"".join(', 12)
        self.put("[", 16)
        for one in message.fields:
            kind, _ = self.kind(one, message.name)
            value = f"self.{one.name}"
            nested = kind in ("string", "bytes", "message")
            table = self.table(one.number, "length" if nested else kind)
            if nested:
                self.helpers.add("field")
            self.helpers.add("field")
            source = {
                "string": '{}.encode("utf-8", "surrogateescape")',
                "bytes": "{}",
                "message": "{}.encode()",
            }.get(kind, "{}")
            if one.label == "repeated":
                if not nested:
                    self.put(f"*map({table}.__getitem__, {value}),", 20)
                    continue
                inner = value if kind == "bytes" else f"[{source.format('m')} for m in {value}]"
                self.put_long(f"*[{table}[len(b)] + b for b in {inner}],", 20)
                continue
            if nested:
                text = f"{table}[len(b := {source.format(value)})] + b"
            else:
                text = f"{table}[{value}]"
            if one.label == "required":
                self.put(f"{text},", 20)
            elif len(text) + len(value) + 40 <= WIDTH:
                self.put(f'b"" if {value} is None else {text},', 20)
            else:
                self.put('b""', 20)
                self.put(f"if {value} is None", 20)
                self.put(f"else {text},", 20)
        self.put("self.unknown,", 20)
        self.put("]", 16)
        self.put(")", 12)
        self.put("except (AttributeError, TypeError, ValueError, OverflowError) as error:", 8)
        self.put("raise bad_value(self, error) from None", 12)

    def put_long(self, text: str, indent: int) -> None:
        """A list comprehension, split as ruff would."""
        if indent + len(text) <= WIDTH:
            self.put(text, indent)
            return
        head, _, tail = text[2:-2].partition(" for b in ")
        self.put("*[", indent)
        self.put(head, indent + 4)
        self.put(f"for b in {tail}", indent + 4)
        self.put("],", indent)

    def write_read(self, message: ProtoMessage) -> None:
        self.helpers |= {"finish"}
        self.put("@classmethod", 4)
        self.put("def read_at(cls, buf: bytes, at: int, stop: int) -> Self:", 4)
        if not message.fields:
            self.put("new = object.__new__(cls)", 8)
            self.put('new.unknown = b""', 8)
            self.put("finish(new, buf, at, at, stop)", 8)
            self.put("return new", 8)
            return
        self.helpers.add("find_damage")
        for one in message.fields:
            empty = "()" if one.label == "repeated" else "None"
            self.put(f"{one.name}: Any = {empty}", 8)
        self.put("begin = at", 8)
        self.put("try:", 8)
        self.put("tag = buf[at] if at < stop else 0", 12)
        for one in message.fields:
            self.write_read_field(one, message.name)
        self.put("except (IndexError, ValueError):", 8)
        self.put("raise find_damage(cls, buf, begin, stop) from None", 12)
        self.put("new = object.__new__(cls)", 8)
        for one in message.fields:
            self.put(f"new.{one.name} = {one.name}", 8)
        self.put('new.unknown = b""', 8)
        self.put("if at != stop:", 8)
        self.put("finish(new, buf, begin, at, stop)", 12)
        required = [one.name for one in message.fields if one.label == "required"]
        if required:
            self.helpers.add("require")
            tests = [f"{name} is None" for name in required]
            line = f"if {' or '.join(tests)}:"
            if len(line) + 8 <= WIDTH:
                self.put(line, 8)
            else:
                self.put("if (", 8)
                self.put(tests[0], 12)
                for test in tests[1:]:
                    self.put(f"or {test}", 12)
                self.put("):", 8)
            self.put("require(new, begin)", 12)
        self.put("return new", 8)

    def write_read_field(self, one: ProtoField, scope: str) -> None:
        kind, target = self.kind(one, scope)
        nested = kind in ("string", "bytes", "message")
        wire = 2 if nested else 1 if kind == "fixed64" else 0
        tag = encode_varint(one.number << 3 | wire)
        width = len(tag)
        test = " and ".join(
            f"tag == {tag[0]}" if i == 0 else f"buf[at + {i}] == {byte}"
            for i, byte in enumerate(tag)
        )
        name = one.name
        self.put(f"if {test}:", 12)
        if one.label == "repeated" and not nested:
            self.helpers.add("read_run")
            self.put(f'{name}, at = read_run(buf, at, stop, {literal(tag)}, "{kind}")', 16)
        elif nested:
            value = {
                "string": 'buf[at - span : at].decode("utf-8", "surrogateescape")',
                "bytes": "buf[at - span : at]",
            }.get(kind)
            if kind == "message" and target is not None:
                module, _, cls = target.partition(":")
                if module != self.source.module:
                    self.put(f"from crtools.images.messages.{module} import {cls}", 16)
                    self.put()
                value = f"{cls}.read_at(buf, at - span, at)"
                if one.type in RECALLED:
                    self.helpers.add("recall")
                    value = f"recall({cls}, buf, at - span, at)"
            indent = 16
            if one.label == "repeated":
                self.put(f"{name} = []", 16)
                self.put(f"while {test}:", 16)
                indent = 20
            self.helpers.add("read_varint32")
            self.put(f"span = buf[at + {width}]", indent)
            self.put(f"at += {width + 1}", indent)
            self.put("if span > 127:", indent)
            self.put("span, at = read_varint32(buf, at, span)", indent + 4)
            self.put("at += span", indent)
            self.put("if at > stop:", indent)
            self.put("raise IndexError", indent + 4)
            if one.label == "repeated":
                self.put(f"{name}.append({value})", indent)
                self.put("tag = buf[at] if at < stop else 0", indent)
                return
            self.put(f"{name} = {value}", indent)
        elif kind == "fixed64":
            self.helpers.add("read_scalar")
            self.put(f'{name}, at = read_scalar(buf, at + {width}, stop, "fixed64")', 16)
        else:
            reader = LONG_READER[kind]
            self.helpers.add(reader)
            self.put(f"{name} = buf[at + {width}]", 16)
            self.put(f"at += {width + 1}", 16)
            self.put(f"if {name} > {1 if kind == 'bool' else 127}:", 16)
            self.put(f"{name}, at = {reader}(buf, at, {name})", 20)
            if kind == "bool":
                self.put("else:", 16)
                self.put(f"{name} = {name} == 1", 20)
            elif kind in ("sint32", "sint64"):
                self.put("else:", 16)
                self.put(f"{name} = {name} >> 1 ^ -({name} & 1)", 20)
        self.put("tag = buf[at] if at < stop else 0", 16)


def generate(folder: Path) -> dict[str, str]:
    """File name -> text of every module that the .proto files of `folder` make."""
    files = [
        Parser(path.stem, path.read_text()).parse()
        for path in sorted(folder.glob("*.proto"))
        if path.stem != "show"
    ]
    kinds: dict[str, tuple[str, str]] = {}
    enums: dict[str, dict[str, int]] = {}
    for source in files:
        for message in source.messages:
            kinds[message.name] = (source.group, "message")
        for enum in source.enums:
            kinds[enum.name] = (source.group, "enum")
            enums[enum.name] = enum.values
    return {f"{source.module}.py": Generator(source, kinds, enums).generate() for source in files}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, say what differs")
    check = parser.parse_args().check
    target = IMAGES / "messages"
    wanted = generate(IMAGES / "proto")
    present = {path.name: path for path in target.glob("*.py") if path.name != "__init__.py"}
    stale = [name for name, path in present.items() if name not in wanted]
    stale += [
        name
        for name, text in wanted.items()
        if name not in present or present[name].read_text() != text
    ]
    if check:
        for name in sorted(stale):
            print(f"messages/{name} is out of date", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        if name in wanted:
            (target / name).write_text(wanted[name])
        else:
            present[name].unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
