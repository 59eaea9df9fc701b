"""The golden sets (tests/golden), and other means that the image tests share."""

from __future__ import annotations

import importlib.util
import json
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from hypothesis import strategies as st

from crtools.images.registry import ImageKind, find_by_name
from crtools.images.wire import RANGES, Message, resolve

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden"
SETS = ("counter", "threads", "tree", "fds", "memory")


def golden_files() -> list[tuple[Path, ImageKind, int | None]]:
    """Every golden file with messages: its path, kind and id."""
    files = []
    for name in SETS:
        for path in sorted((GOLDEN / name).iterdir()):
            found = find_by_name(path.name)
            assert found is not None, path
            if not found[0].raw:
                files.append((path, *found))
    return files


def golden_json(path: Path) -> Any:
    """What crit makes of a golden file, pretty."""
    return _golden_set(path.parent.name)[path.name]


@cache
def _golden_set(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text())


@cache
def generator() -> ModuleType:
    """tools/generate_messages.py as a module."""
    path = ROOT / "tools" / "generate_messages.py"
    spec = importlib.util.spec_from_file_location("generate_messages", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["generate_messages"] = module
    spec.loader.exec_module(module)
    return module


@cache
def proto_files() -> tuple[Any, ...]:
    """Every .proto file but show.proto, parsed by the generator."""
    folder = ROOT / "src" / "crtools" / "images" / "proto"
    parse = generator().Parser
    return tuple(
        parse(path.stem, path.read_text()).parse()
        for path in sorted(folder.glob("*.proto"))
        if path.stem != "show"
    )


@cache
def message_classes() -> tuple[type[Message], ...]:
    """The class of every message there is."""
    name = generator().class_name
    return tuple(
        resolve(f"{source.module}:{name(message.name)}")
        for source in proto_files()
        for message in source.messages
    )


# A unix name or a comm may hold any bytes: text that is no UTF-8 must survive as well.
any_text = st.binary(max_size=20).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
plain_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def messages(
    cls: type[Message], *, text: st.SearchStrategy[str] = any_text, depth: int = 4
) -> st.SearchStrategy[Message]:
    """Messages of class `cls` with any valid content, nested at most `depth` deep."""
    parts: dict[str, st.SearchStrategy[Any]] = {}
    for _, name, label, kind, target, _, _ in cls.FIELDS:
        if kind == "message":
            if depth == 0 and label != "required":
                continue
            assert target is not None
            one: st.SearchStrategy[Any] = messages(
                resolve(target), text=text, depth=max(depth - 1, 0)
            )
        elif kind == "string":
            one = text
        elif kind == "bytes":
            one = st.binary(max_size=20)
        elif kind == "bool":
            one = st.booleans()
        elif kind == "enum":
            assert target is not None
            one = st.sampled_from(sorted(resolve(target).NAMES))
        else:
            low, high = RANGES[kind]
            one = st.one_of(st.integers(low, high), st.integers(0, 130), st.sampled_from([low]))
        if label == "repeated":
            one = st.lists(one, max_size=3)
        elif label == "optional":
            one = st.none() | one
        parts[name] = one
    return st.builds(cls, **parts)
