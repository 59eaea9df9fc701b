"""The generated messages: against their .proto files, and against Google's protobuf."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crtools.images.wire import Message, resolve
from unit.images.golden_sets import (
    GOLDEN,
    ROOT,
    generator,
    message_classes,
    messages,
    plain_text,
    proto_files,
)

few = settings(max_examples=20, suppress_health_check=list(HealthCheck))
# Ours alone begin with this; what else is not described there.
OURS = "crtools"
EXTRA_GROUPS = {"sk-opts"}


def _ids(cls: type[Message]) -> str:
    return cls.NAME


def test_modules_are_what_the_generator_makes_of_the_proto_files():
    made = generator().generate(ROOT / "src" / "crtools" / "images" / "proto")
    folder = ROOT / "src" / "crtools" / "images" / "messages"
    present = {path.name for path in folder.glob("*.py")} - {"__init__.py"}
    assert present == set(made)
    for name, text in made.items():
        assert (folder / name).read_text() == text, f"run tools/generate_messages.py: {name}"


def test_proto_files_describe_the_messages_of_the_format():
    wanted = json.loads((GOLDEN / "image-messages.json").read_text())
    groups = {source.group: source for source in proto_files()}
    theirs = {group for group in groups if not group.startswith(OURS)}
    assert theirs - EXTRA_GROUPS == set(wanted)
    for group, content in wanted.items():
        ours = {message.name: message for message in groups[group].messages}
        # Registers of other architectures are declared without fields: kept, not understood.
        opaque = {name for name, message in ours.items() if not message.fields}
        assert set(ours) - opaque == set(content["messages"]), group
        for name, fields in content["messages"].items():
            listed = []
            for number, field, label, kind, *options in fields:
                default = options[0]["default"] if options else None
                short = kind.removeprefix(f"{name}.")
                listed.append((number, field, label, short, default))
            assert sorted(listed) == [
                (one.number, one.name, one.label, one.type, one.default)
                for one in ours[name].fields
            ], name
        assert {enum.name: enum.values for enum in groups[group].enums} == content["enums"]


def test_enums_have_constants_and_names():
    fd_types = resolve("fdinfo:FdTypes")
    assert fd_types.REG == 1
    assert fd_types.NAMES[1] == "REG"
    assert resolve("core:CoreEntryMarch").X86_64 == 1
    assert resolve("core:SeccompMode").disabled == 0


@pytest.mark.parametrize("cls", message_classes(), ids=_ids)
def test_what_is_encoded_is_decoded_again(cls):
    @few
    @given(messages(cls), st.binary(max_size=5))
    def check(message: Message, tail: bytes) -> None:
        # Field 1000, which nobody has, of bytes.
        message.unknown = b"\xc2\x3e" + bytes([len(tail)]) + tail if tail else b""
        data = message.encode()
        again = cls.decode(data)
        assert again == message
        assert again.encode() == data

    check()


@cache
def _google_classes() -> dict[str, Any]:
    """The same messages by the protobuf runtime, from what the generator's parser read."""
    pool = descriptor_pool.DescriptorPool()
    scopes = {}
    for source in proto_files():
        for message in source.messages:
            scopes[message.name] = source.group
        for enum in source.enums:
            scopes[enum.name] = source.group
    added: set[str] = set()
    sources = {source.group: source for source in proto_files()}

    def add(group: str) -> None:
        if group in added or group == "show":
            return
        added.add(group)
        for other in sources[group].imports:
            add(other)
        pool.Add(_file_descriptor(sources[group], scopes))

    for group in sources:
        add(group)
    return {
        message.name: message_factory.GetMessageClass(pool.FindMessageTypeByName(message.name))
        for source in sources.values()
        for message in source.messages
    }


def _file_descriptor(source: Any, scopes: dict[str, str]) -> Any:
    result = descriptor_pb2.FileDescriptorProto(
        name=f"{source.group}.proto",
        syntax="proto2",
        dependency=[f"{other}.proto" for other in source.imports if other != "show"],
    )
    field_type = descriptor_pb2.FieldDescriptorProto
    for enum in source.enums:
        scope, _, name = enum.name.rpartition(".")
        if not scope:
            _fill_enum(result.enum_type.add(name=name), enum)
    for message in source.messages:
        target = result.message_type.add(name=message.name)
        for enum in source.enums:
            scope, _, name = enum.name.rpartition(".")
            if scope == message.name:
                _fill_enum(target.enum_type.add(name=name), enum)
        for one in message.fields:
            field = target.field.add(
                name=one.name,
                number=one.number,
                label=getattr(field_type, f"LABEL_{one.label.upper()}"),
            )
            if one.default is not None:
                field.default_value = one.default
            if one.type in generator().SCALARS:
                field.type = getattr(field_type, f"TYPE_{one.type.upper()}")
            else:
                inner = f"{message.name}.{one.type}"
                name = inner if inner in scopes else one.type
                enums = {enum.name for file in proto_files() for enum in file.enums}
                field.type = field_type.TYPE_ENUM if name in enums else field_type.TYPE_MESSAGE
                field.type_name = f".{name}"
    return result


def _fill_enum(target: Any, enum: Any) -> None:
    for name, number in enum.values.items():
        target.value.add(name=name, number=number)


@pytest.mark.parametrize("cls", message_classes(), ids=_ids)
def test_google_protobuf_reads_and_writes_the_same_bytes(cls):
    google = _google_classes()[cls.NAME]

    @few
    @given(messages(cls, text=plain_text))
    def check(message: Message) -> None:
        data = message.encode()
        theirs = google.FromString(data)
        assert not theirs.FindInitializationErrors()
        _compare(message, theirs)
        assert theirs.SerializeToString() == data

    check()


def _compare(message: Message, theirs: Any) -> None:
    for _, name, label, kind, _, _, _ in message.FIELDS:
        mine, other = getattr(message, name), getattr(theirs, name)
        if label == "repeated":
            assert len(mine) == len(other)
            pairs = list(zip(mine, other, strict=True))
        else:
            assert (mine is not None) == theirs.HasField(name)
            pairs = [] if mine is None else [(mine, other)]
        for one, two in pairs:
            if kind == "message":
                _compare(one, two)
            else:
                assert one == two
