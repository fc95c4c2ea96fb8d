"""Every refusal that a caller can meet, one class each.

A refusal's `reason` is the value of the same name in the contract's `ErrorReason`, its `code`
the name of a gRPC status code, and the first sentence of its docstring the message that the
caller reads. What differs from one occurrence to the next travels as facts.
"""

from __future__ import annotations

from typing import ClassVar, Self

Fact = str | int

NOT_APPLIED, UNKNOWN = "NOT_APPLIED", "UNKNOWN"
"""The fact `outcome` of refusals that say nothing about what was asked: nothing has changed, or
nobody knows."""


class Refusal(Exception):
    """The request was refused.

    `field` is the path of the field at fault, relative to the message that was decoded
    (empty where no single field is). `facts` are the values a program may act on; they never
    hold identifiers of people, SQL or paths.
    """

    reason: ClassVar[str]
    code: ClassVar[str]

    def __init__(self, field: str = "", **facts: Fact) -> None:
        super().__init__(self.message)
        self.field = field
        self.facts: dict[str, Fact] = facts

    @property
    def message(self) -> str:
        """The first sentence of the class's docstring."""
        return (type(self).__doc__ or "").partition("\n")[0]

    def under(self, prefix: str) -> Self:
        """The same refusal with its field path put below `prefix` (`updates[17]`)."""
        self.field = f"{prefix}.{self.field}" if self.field else prefix
        return self


class InvalidField(Refusal):
    """A field of the request is missing or not acceptable."""

    reason, code = "INVALID_FIELD", "INVALID_ARGUMENT"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field)
        self.problem = problem


class ExpiryInPast(Refusal):
    """The expiry does not lie in the future."""

    reason, code = "EXPIRY_IN_PAST", "INVALID_ARGUMENT"


class ExpiryNotEarlier(Refusal):
    """An EARLY_EXPIRY must be earlier than the present expiry."""

    reason, code = "EXPIRY_NOT_EARLIER", "INVALID_ARGUMENT"


class ExpiryNotLater(Refusal):
    """An EXTEND_EXPIRY must be later than the present expiry."""

    reason, code = "EXPIRY_NOT_LATER", "INVALID_ARGUMENT"


class InvalidPageToken(Refusal):
    """The page token was not issued for this query."""

    reason, code = "INVALID_PAGE_TOKEN", "INVALID_ARGUMENT"


class RequestIdReused(Refusal):
    """The request id was used before with other content."""

    reason, code = "REQUEST_ID_REUSED", "INVALID_ARGUMENT"


class TokenInvalid(Refusal):
    """The credential is missing or not valid."""

    reason, code = "TOKEN_INVALID", "UNAUTHENTICATED"


class ScopeMissing(Refusal):
    """The credential does not allow this method."""

    reason, code = "SCOPE_MISSING", "PERMISSION_DENIED"


class ProgramNotFound(Refusal):
    """There is no such program."""

    reason, code = "PROGRAM_NOT_FOUND", "NOT_FOUND"


class CurrencyNotFound(Refusal):
    """The program has no such currency."""

    reason, code = "CURRENCY_NOT_FOUND", "NOT_FOUND"


class PolicyNotFound(Refusal):
    """The currency has no such expiration policy."""

    reason, code = "POLICY_NOT_FOUND", "NOT_FOUND"


class MemberNotFound(Refusal):
    """There is no such member."""

    reason, code = "MEMBER_NOT_FOUND", "NOT_FOUND"


class AccountNotFound(Refusal):
    """The member has no account in this currency."""

    reason, code = "ACCOUNT_NOT_FOUND", "NOT_FOUND"


class LotNotFound(Refusal):
    """The member has no such lot."""

    reason, code = "LOT_NOT_FOUND", "NOT_FOUND"


class TransactionNotFound(Refusal):
    """There is no such transaction."""

    reason, code = "TRANSACTION_NOT_FOUND", "NOT_FOUND"


class IdentifierTaken(Refusal):
    """The identifier, id or code already belongs to something else."""

    reason, code = "IDENTIFIER_TAKEN", "ALREADY_EXISTS"


class InsufficientPoints(Refusal):
    """The account does not have that many points available."""

    reason, code = "INSUFFICIENT_POINTS", "FAILED_PRECONDITION"


class LotNotLive(Refusal):
    """The lot is closed, used up or lapsed."""

    reason, code = "LOT_NOT_LIVE", "FAILED_PRECONDITION"


class TransactionNotOpen(Refusal):
    """The transaction is not in a state that allows this."""

    reason, code = "TRANSACTION_NOT_OPEN", "FAILED_PRECONDITION"


class ExpirationNotConfigured(Refusal):
    """No points of this currency ever expire."""

    reason, code = "EXPIRATION_NOT_CONFIGURED", "FAILED_PRECONDITION"


class CallTooLarge(Refusal):
    """The call needs more work at once than one call may do; ask for less at a time."""

    reason, code = "CALL_TOO_LARGE", "FAILED_PRECONDITION"

    def __init__(self, field: str = "", **facts: Fact) -> None:
        super().__init__(field, outcome=NOT_APPLIED, **facts)


class LimitReached(Refusal):
    """There may be no more of this."""

    reason, code = "LIMIT_REACHED", "FAILED_PRECONDITION"


class Overloaded(Refusal):
    """The server has more work than it can take; try again."""

    reason, code = "OVERLOADED", "RESOURCE_EXHAUSTED"

    def __init__(self, field: str = "", *, retry_s: float = 1.0) -> None:
        super().__init__(field, outcome=NOT_APPLIED)
        self.retry_s = retry_s


class StorageUnavailable(Refusal):
    """The database cannot be reached; try again."""

    reason, code = "STORAGE_UNAVAILABLE", "UNAVAILABLE"

    def __init__(self, field: str = "", *, in_doubt: bool = False) -> None:
        super().__init__(field, outcome=UNKNOWN if in_doubt else NOT_APPLIED)

    @property
    def in_doubt(self) -> bool:
        """Return whether the call may have taken effect: the answer to its COMMIT was lost."""
        return self.facts["outcome"] == UNKNOWN


class DeadlineExceeded(Refusal):
    """The call took longer than it may."""

    reason, code = "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"

    def __init__(self, field: str = "", *, in_doubt: bool = True) -> None:
        super().__init__(field, outcome=UNKNOWN if in_doubt else NOT_APPLIED)


class TimeInDoubt(Refusal):
    """The present time is in doubt, so nothing was changed; try again."""

    reason, code = "TIME_IN_DOUBT", "UNAVAILABLE"
