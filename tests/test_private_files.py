"""Files for their owner alone, which never take the place of another's."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from points_grpc import private_files
from points_grpc.private_files import NotOurFile


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_new_file_is_its_owners(tmp_path: Path) -> None:
    """A file is made with mode 0600, whatever the umask allows."""
    before = os.umask(0)
    try:
        private_files.create(tmp_path / "a").close()
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "a") == 0o600


@pytest.mark.parametrize("there", ["file", "link", "dangling"])
def test_a_name_that_is_taken_is_refused(tmp_path: Path, there: str) -> None:
    """Neither a file nor a link, also one that leads nowhere, is written over."""
    target, path = tmp_path / "target", tmp_path / "a"
    if there != "dangling":
        target.write_text("kept")
    if there == "file":
        target.rename(path)
    else:
        path.symlink_to(target)
    with pytest.raises(FileExistsError):
        private_files.create(path)
    opened, draft = private_files.create_draft(path)
    opened.close()
    with pytest.raises(FileExistsError):
        private_files.publish(draft, path)
    assert target.exists() is (there == "link")
    assert there == "dangling" or path.read_text() == "kept"


@pytest.mark.parametrize("links", [True, False])
def test_a_draft_gets_its_name_when_it_is_whole(
    tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A published draft has its name and nothing else is left, also without hard links."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "no links here")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    opened, draft = private_files.create_draft(tmp_path / "a")
    with opened:
        opened.write(b"whole")
    assert not (tmp_path / "a").exists()
    private_files.publish(draft, tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert ((tmp_path / "a").read_bytes(), mode_of(tmp_path / "a")) == (b"whole", 0o600)


def test_a_file_of_ours_is_opened_again(tmp_path: Path) -> None:
    """A plain file is opened where it begins, and is its owner's alone from then on."""
    path = tmp_path / "a"
    path.write_bytes(b"before")
    path.chmod(0o644)
    with private_files.reopen(path) as file:
        assert file.read() == b"before"
    assert mode_of(path) == 0o600
    assert private_files.size_of(path) == 6


def test_what_is_no_file_of_ours_is_left_alone(tmp_path: Path) -> None:
    """A link, a second name, a folder, a pipe and a device are neither opened nor measured."""
    target = tmp_path / "target"
    target.write_bytes(b"kept")
    (tmp_path / "link").symlink_to(target)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "link", tmp_path / "folder", tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(NotOurFile):
            private_files.reopen(path)
        with pytest.raises(NotOurFile):
            private_files.size_of(path)
    os.link(target, tmp_path / "second")
    with pytest.raises(NotOurFile):
        private_files.reopen(target)
    assert target.read_bytes() == b"kept"


def test_a_file_that_is_not_there_has_no_length(tmp_path: Path) -> None:
    """A missing file has the length 0, and to discard it changes nothing."""
    private_files.discard(tmp_path / "a")
    assert private_files.size_of(tmp_path / "a") == 0
