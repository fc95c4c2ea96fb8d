"""The page's error numbers, and what each says."""

from __future__ import annotations

from collections.abc import Iterable

from points_grpc.gateway.errors import Failure, Problem

REQUEST = 8931
IDENTIFIER_NAME = 8932
IDENTIFIER_VALUE = 8933
PROGRAM = 8934
STANDARD_META = 8935
UPDATE_FAILED = 8936
POINTS_ID = 8937
POINTS_TYPE = 8938
CHOICE = 8941
CUSTOMER = 8015
POINTS = 3034
IN_PAST = 3037

SAYING = {
    REQUEST: "Points expiry update request is invalid or empty",
    IDENTIFIER_NAME: "Identifier name is required for the points expiry update",
    IDENTIFIER_VALUE: "Identifier value is required for the points expiry update",
    PROGRAM: "Program ID is required for points expiry update",
    STANDARD_META: "Invalid standard meta key",
    UPDATE_FAILED: "Points expiry update failed",
    POINTS_ID: "Points awarded reference ID is required",
    POINTS_TYPE: "Points awarded reference type is required",
    CUSTOMER: "Customer not found for the given identifiers",
    POINTS: "No points awarded found for reference type {kind} and ID {lot_id}",
    IN_PAST: "Invalid expiry date: Expiry date must be in the future",
}

ITEMS = "expiryDateUpdateRequest"
"""The array that a request is."""

_FIELDS = {
    "updates": ITEMS,
    "request_id": "Idempotency-Key",
    "program_id": "programId",
    "lot_id": "pointsAwardedRefId",
    "kind": "pointsAwardedRefType",
    "currency_code": "currencyName",
    "category": "pointCategoryType",
    "reason_type": "expiryUpdateReasonType",
    "reason_note": "expiryUpdateReasonNote",
    "standard_meta": "standardMeta",
    "custom_meta": "customMeta",
    "expire_date": "expiryDate.expiryValue",
    "days": "expiryDate.expiryValue",
    "months": "expiryDate.expiryValue",
    "immediate": "expiryDate.expiryType",
}
_OF_REASON = {
    "PROGRAM_NOT_FOUND": PROGRAM,
    "MEMBER_NOT_FOUND": CUSTOMER,
    "ACCOUNT_NOT_FOUND": POINTS,
    "LOT_NOT_FOUND": POINTS,
    "EXPIRY_IN_PAST": IN_PAST,
}


class Invalid(Problem):
    """The request is at fault in a way that the page has a number for.

    `field` is relative to the item, whose place in the request is put before it later.
    """

    def __init__(self, number: int, field: str = "", text: str = "is not valid") -> None:
        super().__init__(field[:256], text)
        self.number = number

    def within(self, item: int) -> Invalid:
        """The same with the place of the item at fault."""
        place = f"{ITEMS}[{item}]"
        return Invalid(self.number, f"{place}.{self.field}" if self.field else place, self.text)


def no_such_value(values: Iterable[str]) -> Invalid:
    """A field has none of the values that there are."""
    return Invalid(CHOICE, text=f"Valid values are: [{', '.join(values)}]")


def of_call(failure: Failure) -> tuple[int, str]:
    """The number and message of a call that failed as a whole.

    A failure that is not about the request's content has its HTTP status for a number.
    """
    if isinstance(failure, Invalid):
        if failure.number == CHOICE:
            return CHOICE, failure.text
        if failure.number not in (REQUEST, STANDARD_META):
            return failure.number, SAYING[failure.number]
        detail = f"{failure.field} {failure.text}".lstrip()
        return failure.number, f"{SAYING[failure.number]}: {detail}"
    if failure.reason == "REQUEST_ID_REUSED":
        return UPDATE_FAILED, f"{SAYING[UPDATE_FAILED]}: {_detail(failure)}"
    if failure.http_status == 400:
        return REQUEST, f"{SAYING[REQUEST]}: {_detail(failure)}"
    return failure.http_status, failure.message


def of_item(failure: Failure, kind: str, lot_id: int) -> tuple[int, str]:
    """The number and message of an item that the service refused."""
    number = _OF_REASON.get(failure.reason, UPDATE_FAILED)
    field = failure.field.partition("].")[2]
    if failure.reason == "INVALID_FIELD" and field.partition(".")[0] == "member":
        # No member has an identifier that is not a phone number, an e-mail address or an id.
        number = CUSTOMER
    if number == UPDATE_FAILED:
        return number, f"{SAYING[number]}: {_detail(failure)}"
    return number, SAYING[number].format(kind=kind, lot_id=lot_id)


def _detail(failure: Failure) -> str:
    """Return the problem in the names of the vendor's documentation."""
    if failure.reason != "INVALID_FIELD":
        return failure.message.removesuffix(".")
    path = failure.field.partition("].")[2] or failure.field
    head, dot, rest = path.partition(".")
    name = _FIELDS.get(head, head) + dot + rest
    return f"{name} {failure.text}".strip()
