"""XML that hides nothing, and XML that tries to."""

from __future__ import annotations

import pytest

from points_grpc.gateway.errors import Problem
from points_grpc.gateway.flat_xml import XML_BYTES_MAX, read_flat_xml

LAUGHS = b"""<?xml version="1.0"?>
<!DOCTYPE lolz [
 <!ENTITY lol "lol">
 <!ENTITY lol1 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;">
 <!ENTITY lol2 "&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;">
]>
<xml><a>&lol2;</a></xml>"""

REFUSED = {
    "billion laughs": (LAUGHS, "", "must not have a document type"),
    "external entity": (
        b'<!DOCTYPE xml [<!ENTITY e SYSTEM "file:///etc/passwd">]><xml><a>&e;</a></xml>',
        "",
        "must not have a document type",
    ),
    "external DTD": (
        b'<!DOCTYPE xml SYSTEM "http://127.0.0.1/x.dtd"><xml/>',
        "",
        "must not have a document type",
    ),
    "bare DTD": (b"<!DOCTYPE xml><xml/>", "", "must not have a document type"),
    "unknown entity": (b"<xml><a>&e;</a></xml>", "", "is not valid XML"),
    "instruction": (b"<xml><?php x?></xml>", "", "must not have processing instructions"),
    "attribute": (b'<xml><a b="c">d</a></xml>', "a", "must not have attributes"),
    "namespace": (b'<xml xmlns="urn:x"><a/></xml>', "xml", "must not have attributes"),
    "twice": (b"<xml><a>1</a><a>1</a></xml>", "a", "must not be given more than once"),
    "nested": (b"<xml><a>x<b>1</b></a></xml>", "a", "must be text, without elements"),
    "deep": (b"<xml>" + b"<a>" * 20_000, "a", "must be text, without elements"),
    "other root": (b"<html><a>1</a></html>", "", "must be an element xml"),
    "two roots": (b"<xml/><xml/>", "", "is not valid XML"),
    "loose text": (b"<xml>loose<a>1</a></xml>", "", "text outside of its fields"),
    "loose text behind": (b"<xml><a>1</a>loose</xml>", "", "text outside of its fields"),
    "cut off": (b"<xml><a>1</a>", "", "is not valid XML"),
    "crossed": (b"<xml><a>1</xml></a>", "", "is not valid XML"),
    "empty": (b"", "", "is not valid XML"),
    "JSON": (b"{}", "", "is not valid XML"),
    "NUL": (b"<xml><a>&#0;</a></xml>", "", "is not valid XML"),
    "surrogate": (b"<xml><a>&#xD800;</a></xml>", "", "is not valid XML"),
    "not UTF-8": (b"<xml><a>\xff</a></xml>", "", "is not UTF-8"),
    "UTF-16": ("<xml/>".encode("utf-16"), "", "is not UTF-8"),
    "other encoding": (
        b'<?xml version="1.0" encoding="windows-1251"?><xml/>',
        "",
        "must be in UTF-8",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    """What is not a plain list of texts is refused, with the field where there is one."""
    body, field, text = REFUSED[name]
    with pytest.raises(Problem) as refused:
        read_flat_xml(body, "xml")
    assert refused.value.field == field
    assert text in refused.value.text


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        (b"<xml/>", {}),
        (b"<xml> \n\t<a>1</a>\r\n<b></b><c/></xml>", {"a": "1", "b": "", "c": ""}),
        (b"<xml><a> x </a></xml>", {"a": " x "}),
        (b"<xml><a>&lt;&amp;&gt;&quot;&apos;&#65;&#x42;</a></xml>", {"a": "<&>\"'AB"}),
        (b"<xml><a>x<![CDATA[<b>&amp;</b>]]>y</a></xml>", {"a": "x<b>&amp;</b>y"}),
        (b"<!-- c --><xml><!-- d --><a>1<!-- e -->2</a></xml><!-- f -->", {"a": "12"}),
        (b'<?xml version="1.0" encoding="UTF-8"?><xml><a>\xc3\xa9</a></xml>', {"a": "é"}),
        (b'<?xml version="1.0"?>\n<xml><a>1</a></xml>\n', {"a": "1"}),
        (b"\xef\xbb\xbf<xml><a>1</a></xml>", {"a": "1"}),
    ],
)
def test_what_is_read(body: bytes, texts: dict[str, str]) -> None:
    """Texts come as they are written, with XML's own escapes resolved; comments do not count."""
    assert read_flat_xml(body, "xml") == texts


def test_a_long_text_is_read_whole() -> None:
    """A text that the parser hands over in pieces is one text."""
    long = b"x" * (XML_BYTES_MAX - 100)
    assert read_flat_xml(b"<xml><a>%s\n&amp;%s</a></xml>" % (long[:9], long), "xml") == {
        "a": f"{long[:9].decode()}\n&{long.decode()}"
    }
