"""Certificates of a server: read, checked to go together, and read again."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.certificate_authority import Authority

from points_grpc.tls import BadCertificates, Files, ReloadingCertificates, read

AUTHORITY = Authority()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A chain, its key, and an authority."""
    AUTHORITY.identity("one").put(tmp_path, "server")
    (tmp_path / "ca.pem").write_bytes(AUTHORITY.pem)
    return Files(tmp_path / "server.pem", tmp_path / "server.key", tmp_path / "ca.pem")


def test_files_that_go_together_are_taken(files: Files) -> None:
    """A chain with its key is what the files hold."""
    found = read(files)
    assert found.chain == files.chain.read_bytes()
    assert found.client_authorities == AUTHORITY.pem


@pytest.mark.parametrize("which", ["chain", "key", "client_authorities"])
@pytest.mark.parametrize("how", ["missing", "empty", "another"])
def test_files_that_do_not_go_together_are_told(files: Files, which: str, how: str) -> None:
    """Files that are missing, empty or of something else are refused before anybody connects."""
    file: Path = getattr(files, which)
    if how == "missing":
        file.unlink()
    else:
        file.write_bytes(b"" if how == "empty" else AUTHORITY.identity("two").key_pem)
    with pytest.raises(BadCertificates):
        read(files)


def test_what_has_not_changed_is_not_read_again(files: Files) -> None:
    """Nothing is new where no file has changed, or where one was only touched."""
    renewed = ReloadingCertificates(files)
    assert renewed.renew() is None
    files.key.write_bytes(files.key.read_bytes())
    assert renewed.renew() is None


def test_renewed_files_are_taken(files: Files, tmp_path: Path) -> None:
    """After a change the files are read again, once."""
    renewed = ReloadingCertificates(files)
    new = AUTHORITY.identity("a longer name")
    new.put(tmp_path, "server")
    found = renewed.renew()
    assert found is not None and found.chain == new.pem
    assert renewed.renew() is None


def test_files_half_renewed_change_nothing(files: Files, tmp_path: Path) -> None:
    """Between a new chain and its new key the old ones stay, and it is told once."""
    renewed = ReloadingCertificates(files)
    before = renewed.present
    new = AUTHORITY.identity("a longer name")
    files.chain.write_bytes(new.pem)
    with pytest.raises(BadCertificates):
        renewed.renew()
    assert renewed.renew() is None
    assert renewed.present is before
    files.key.write_bytes(new.key_pem)
    found = renewed.renew()
    assert found is not None and found.chain == new.pem
