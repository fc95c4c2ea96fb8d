"""XML that is a list of texts: one root, elements with nothing but text below it, and no DTD."""

from __future__ import annotations

from typing import NoReturn
from xml.parsers import expat

from points_grpc.gateway.errors import Problem

XML_BYTES_MAX = 64 * 1024
"""How large a body of XML may be."""

_NAME_MAX = 256
_SPACE = " \t\r\n"


def read_flat_xml(body: bytes, root: str) -> dict[str, str]:
    """The texts of the elements below `root` by name. Raises Problem.

    Refused, beside what is not XML in UTF-8: a document type (so there are no entities but XML's
    own five), processing instructions, attributes, elements given twice or within others.
    """
    try:
        body.decode()
    except UnicodeDecodeError:
        raise Problem("", "the body is not UTF-8") from None
    reader = _Reader(root)
    # What the document says of its encoding is checked, never followed.
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.XmlDeclHandler = _check_declaration
    parser.StartDoctypeDeclHandler = _no_document_type
    parser.EntityDeclHandler = _no_document_type
    parser.ProcessingInstructionHandler = _no_instruction
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(body, True)
    except expat.ExpatError:
        raise Problem("", "the body is not valid XML") from None
    return reader.texts()


class _Reader:
    def __init__(self, root: str) -> None:
        self._parts: dict[str, list[str]] = {}
        self._root = root
        self._within = False
        self._field: str | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if attributes:
            raise Problem(name[:_NAME_MAX], "must not have attributes")
        if self._field is not None:
            raise Problem(self._field[:_NAME_MAX], "must be text, without elements")
        if not self._within:
            if name != self._root:
                raise Problem("", f"the body must be an element {self._root}")
            self._within = True
            return
        if name in self._parts:
            raise Problem(name[:_NAME_MAX], "must not be given more than once")
        self._parts[name] = []
        self._field = name

    def texts(self) -> dict[str, str]:
        """Return what was read. Each text is put together once, whatever pieces it came in."""
        return {name: "".join(parts) for name, parts in self._parts.items()}

    def end(self, _: str) -> None:
        self._field = None

    def text(self, text: str) -> None:
        if self._field is not None:
            self._parts[self._field].append(text)
        elif text.strip(_SPACE):
            raise Problem("", "the body has text outside of its fields")


def _check_declaration(_: str, encoding: str | None, __: int) -> None:
    if encoding is not None and encoding.lower() not in ("utf-8", "utf8"):
        raise Problem("", "the body must be in UTF-8")


def _no_document_type(*_: object) -> NoReturn:
    raise Problem("", "the body must not have a document type")


def _no_instruction(*_: object) -> NoReturn:
    raise Problem("", "the body must not have processing instructions")
