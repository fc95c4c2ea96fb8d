"""The contract's comments, which the generated descriptors do not have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

Path = tuple[int, ...]
Named = Iterator[tuple[Path, str]]

# Numbers of fields of the messages in descriptor.proto, which paths are made of.
_MESSAGE, _ENUM, _SERVICE = 4, 5, 6
_FIELD, _NESTED, _NESTED_ENUM = 2, 3, 4
_VALUE = _METHOD = 2


def comments_of(image: bytes) -> Mapping[str, str]:
    """The comment of everything in an image of the compiler's, by full name.

    Lines are joined, paragraphs are not. The image must have its source info.
    """
    found: dict[str, str] = {}
    for file in FileDescriptorSet.FromString(image).file:
        said = {
            tuple(place.path): place.leading_comments
            for place in file.source_code_info.location
            if place.leading_comments
        }
        names = _in_file(file)
        found.update((name, _joined(said[path])) for path, name in names if path in said)
    return found


def _in_file(file: FileDescriptorProto) -> Named:
    yield from _in_messages(file.message_type, (_MESSAGE,), file.package)
    yield from _in_enums(file.enum_type, (_ENUM,), file.package)
    for index, service in enumerate(file.service):
        name, path = f"{file.package}.{service.name}", (_SERVICE, index)
        yield path, name
        for at, method in enumerate(service.method):
            yield (*path, _METHOD, at), f"{name}.{method.name}"


def _in_messages(messages: Sequence[DescriptorProto], prefix: Path, within: str) -> Named:
    for index, message in enumerate(messages):
        name, path = f"{within}.{message.name}", (*prefix, index)
        yield path, name
        for at, field in enumerate(message.field):
            yield (*path, _FIELD, at), f"{name}.{field.name}"
        yield from _in_messages(message.nested_type, (*path, _NESTED), name)
        yield from _in_enums(message.enum_type, (*path, _NESTED_ENUM), name)


def _in_enums(enums: Sequence[EnumDescriptorProto], prefix: Path, within: str) -> Named:
    for index, enum in enumerate(enums):
        name, path = f"{within}.{enum.name}", (*prefix, index)
        yield path, name
        for at, value in enumerate(enum.value):
            yield (*path, _VALUE, at), f"{name}.{value.name}"


def _joined(comment: str) -> str:
    lines = [line.strip() for line in comment.strip().splitlines()]
    paragraphs = "\n".join(lines).split("\n\n")
    return "\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs)
