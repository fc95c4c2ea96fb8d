"""Files that only their owner may read, and that nobody else has put there."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path
from typing import BinaryIO

MODE = 0o600

_NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)


class NotOurFile(OSError):
    """The path is not a plain file, or belongs to another user."""


def create(path: Path) -> BinaryIO:
    """Create a file that does not exist, and open it for writing. FileExistsError, OSError.

    A link under that name counts as a file, whatever it leads to.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, MODE), "w+b")


def create_draft(path: Path) -> tuple[BinaryIO, Path]:
    """Create a file beside `path` that is to get its name; its own name is random."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    return create(draft), draft


def publish(draft: Path, path: Path) -> None:
    """Give a complete draft its name, which must be free. FileExistsError, OSError."""
    try:
        # Unlike a renaming this refuses a name that is taken.
        os.link(draft, path, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        create(path).close()
        draft.replace(path)
    else:
        draft.unlink()


def reopen(path: Path) -> BinaryIO:
    """Open a file of ours for writing, where it begins. Raises FileNotFoundError, NotOurFile.

    Neither a link is followed, nor anything opened but a plain file.
    """
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise NotOurFile(f"{path} is not a plain file") from None
        raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise NotOurFile(f"{path} is not a plain file")
        if status.st_uid != os.geteuid():
            raise NotOurFile(f"{path} belongs to another user")
        os.fchmod(descriptor, MODE)
    except BaseException:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "r+b")


def size_of(path: Path) -> int:
    """Return how long the file is; 0 where there is none. Raises NotOurFile for what is none."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return 0
    if not stat.S_ISREG(status.st_mode):
        raise NotOurFile(f"{path} is not a plain file")
    return status.st_size


def discard(path: Path) -> None:
    """Remove the file, if it is there."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
