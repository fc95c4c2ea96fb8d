"""Files that are not as they should be: each bad row has its reason, and the others go in."""

from __future__ import annotations

import pytest

from points_grpc.service.transfer.importer.source import RECORD_MAX, VALUES_MAX, InvalidFile

HEAD = "external_id,vendor_id,currency,amount,remaining,earned_at,expires_at,policy,state\n"
GOOD = "ann,1,,100,,2031-01-02T12:00:00Z,never,,\n"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",2,,5,,2031-01-02,,,", "external_id: or another single identifier"),
        ("ann,,,5,,2031-01-02,,,", "vendor_id: or import_id is required"),
        ("ann,0,,5,,2031-01-02,,,", "vendor_id: must be a number"),
        (f"ann,{2**46},,5,,2031-01-02,,,", "vendor_id: must be a number"),
        ("ann,x,,5,,2031-01-02,,,", "vendor_id: must be a number"),
        ("ann,2,XX,5,,2031-01-02,,,", "currency: "),
        ("ann,2,,,,2031-01-02,,,", "amount: "),
        ("ann,2,,0,,2031-01-02,,,", "amount: must be greater than zero"),
        ("ann,2,,-5,,2031-01-02,,,", "amount: "),
        ("ann,2,,1.5,,2031-01-02,,,", "amount: must not have more than 0 decimals"),
        ("ann,2,EUR,1.555,,2031-01-02,,,", "amount: must not have more than 2 decimals"),
        (f"ann,2,,{10**16},,2031-01-02,,,", "amount: must not exceed"),
        (f"ann,2,,1{'0' * 60},,2031-01-02,,,", "amount: must be a decimal number"),
        ("ann,2,,NaN,,2031-01-02,,,", "amount: must be a decimal number"),
        ("ann,2,,5,6,2031-01-02,,,", "remaining: must not exceed the amount"),
        ("ann,2,,5,-1,2031-01-02,,,", "remaining: "),
        ("ann,2,,5,,,,,", "earned_at: is required"),
        ("ann,2,,5,,2031-13-02,,,", "earned_at: "),
        ("ann,2,,5,,2031-01-02T12:00:00,,,", "earned_at: must be an instant"),
        ("ann,2,,5,,2031-01-02T25:00:00Z,,,", "earned_at: "),
        ("ann,2,,5,,2031-01-02T12:00:00+01:99,,,", "earned_at: must be an instant"),
        ("ann,2,,5,,2032-01-02,,,", "earned_at: must not lie in the future"),
        ("ann,2,,5,,2031-01-02,2031-01-01,,", "expires_at: must be later than earned_at"),
        ("ann,2,,5,,2031-01-02,soon,,", "expires_at: "),
        ("ann,2,,5,,2031-01-02,,no-such,", "policy: "),
        ("ann,2,,5,,2031-01-02,,,DONE", "state: must be one of OPEN"),
        ("ann,2,,5,3,2031-01-02,,,PENDING", "state: "),
        (f"{'a' * 257},2,,5,,2031-01-02,,,", "external_id: "),
        ("ann,2,,5,,2031-01-02,,", "has 8 columns instead of 9"),
        ('an"n,2,,5,,2031-01-02,,,"', "is not a line of CSV"),
    ],
)
def test_a_bad_row_of_csv(counter, row: str, reason: str) -> None:
    """What cannot be a lot is refused with its line and the field at fault, alone."""
    path = counter.file(f"{HEAD}{GOOD}{row}\n{GOOD.replace(',1,', ',3,')}")
    assert counter.counts(path) == (2, 0, 1)
    assert list(counter.refused(path)) == [3]
    assert counter.refused(path)[3].startswith(reason)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[1]", "is not a JSON object"),
        ("{", "is not a JSON object"),
        ('{"amount":NaN}', "is not a JSON object"),
        ("[" * 100_000, "is nested too deeply"),
        ('{"points":5}', "unknown field: points"),
        ('{"type":"coupon"}', "type: must be "),
        ('{"type":5}', "type: must be "),
        ('{"external_id":["ann"]}', "external_id: must be a text or a number"),
        ('{"amount":true}', "amount: must be a text or a number"),
        ('{"type":"member"}', "external_id: or another identifier is required"),
        ('{"type":"member","identifiers":[{"type":"member_id","value":"1"}]}', "identifiers[0]"),
        ('{"type":"transaction","external_id":"ann","transaction":"HOLD"}', "transaction: "),
    ],
)
def test_a_bad_line_of_json(counter, line: str, reason: str) -> None:
    """What is no row of a known type with known fields is refused, alone."""
    good = '{"external_id":"ann","vendor_id":%d,"amount":5,"earned_at":"2031-01-02"}\n'
    path = counter.file(f"{good % 1}{line}\n{good % 2}", ".jsonl")
    assert counter.counts(path) == (2, 0, 1)
    assert counter.refused(path)[2].startswith(reason)


def test_bytes_that_are_no_text(counter) -> None:
    """Rows that are not UTF-8, and NUL in texts, are refused; a byte order mark is passed over."""
    rows = (GOOD.encode(), b"b\xffb,2,,5,,2031-01-02,,,\n", b"a\0,3,,5,,2031-01-02,,,\n")
    path = counter.file(b"\xef\xbb\xbf" + HEAD.encode() + b"".join(rows))
    assert counter.counts(path) == (1, 0, 2)
    assert counter.refused(path) == {3: "is not UTF-8", 4: "external_id: must not contain NUL"}


def test_a_line_of_100_megabytes(counter) -> None:
    """A line beyond the limit is refused by its number, and what follows it goes in."""
    path = counter.file(HEAD + GOOD)
    with path.open("ab") as file:
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b"\n" + GOOD.replace(",1,", ",2,").encode())
    assert counter.counts(path) == (2, 0, 1)
    assert counter.refused(path) == {3: f"is longer than {RECORD_MAX} bytes"}


def test_a_record_has_so_many_values_at_most(counter) -> None:
    """A record of more cells, or of more in its JSON, is refused without being taken apart."""
    reason = f"has more than {VALUES_MAX} values"
    path = counter.file(HEAD + GOOD + "," * VALUES_MAX + "\n" + "," * (VALUES_MAX + 1) + "\n")
    assert counter.counts(path) == (1, 0, 2)
    assert counter.refused(path) == {
        3: f"has {VALUES_MAX + 1} columns instead of {HEAD.count(',') + 1}",
        4: reason,
    }
    path = counter.file('{"allocations": [' + "[], " * (VALUES_MAX // 2) + "[]]}\n", ".jsonl")
    assert counter.counts(path) == (0, 0, 1)
    assert counter.refused(path) == {1: reason}


def test_quotes_that_are_never_closed(counter) -> None:
    """An open quote is refused where it began; it cannot take more of the file than a record."""
    path = counter.file(f'{HEAD}{GOOD}"ann,2,,5,,2031-01-02,,,\n')
    assert counter.counts(path) == (1, 0, 1)
    assert counter.refused(path) == {3: "has quotes that are never closed"}


def test_texts_of_several_lines(counter, harness) -> None:
    """A quoted text may go on over lines; rows after it are counted by lines of the file."""
    head = "external_id,vendor_id,amount,earned_at,description\r\n"
    rows = ('ann,1,5,2031-01-02,"two\r\nlines, ""quoted"""\r\n', "ann,2,x,2031-01-02,\r\n")
    path = counter.file(head + "".join(rows))
    assert counter.counts(path) == (1, 0, 1)
    assert list(counter.refused(path)) == [4]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "empty"),
        ("external_id,vendor_id,amount\nann,1,5\n", "missing column: earned_at"),
        ("external_id,points,amount,earned_at\n", "unknown column: points"),
        ("amount,amount,earned_at\n", "twice"),
        (b"\xff\xfea\x00m\x00", "first line"),
    ],
)
def test_a_bad_file(counter, content: str | bytes, problem: str) -> None:
    """A file whose columns are not those of a row is refused as a whole."""
    with pytest.raises(InvalidFile, match=problem):
        counter.take(counter.file(content))


def test_an_empty_file_of_json(counter) -> None:
    """JSON lines without a line are a file with nothing in it."""
    assert counter.counts(counter.file("\n\n", ".jsonl")) == (0, 0, 0)


def test_the_report_has_no_contents(counter) -> None:
    """The report names lines, fields and reasons, and nothing that stands in the rows."""
    path = counter.file(f"{HEAD}secret-name,2,secret-code,5,,2031-01-02,,,\n")
    assert counter.counts(path) == (0, 0, 1)
    report = path.with_name(path.name + ".refused.csv").read_text()
    assert "secret" not in report


def test_a_report_is_of_the_last_run(counter) -> None:
    """Importing a file again makes its report anew; without refusals there is none."""
    path = counter.file(f"{HEAD}{GOOD}bob,2,XX,5,,2031-01-02,,,\n")
    assert counter.counts(path) == (1, 0, 1)
    assert counter.counts(path) == (0, 1, 1)
    assert list(counter.refused(path)) == [3]
