"""Signatures: keys are kept private, are never overwritten, and sign their own ledger only."""

import os
import stat
import sys

import pytest
from recording import plain
from tampering import COUNT, dump

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.ledger import signing
from fedjax_shap.ledger.ledger import Ledger
from fedjax_shap.ledger.verify import verify


def test_keys_are_open_to_their_owner_only_and_never_overwritten(tmp_path):
    old = os.umask(0)
    try:
        signer = signing.new_key(tmp_path / "key")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert (
        signing.read_key(tmp_path / "key").public
        == signer.public
        == signing.read_public(tmp_path / "key.pub")
    )
    content = (tmp_path / "key").read_bytes()
    for gone in ("key", "key.pub"):
        with pytest.raises(InvalidInputError, match=r"never overwritten"):
            signing.new_key(tmp_path / "key")
        (tmp_path / "key.pub").unlink(missing_ok=gone == "key.pub")
    assert (tmp_path / "key").read_bytes() == content
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key"], (
        "and nothing half-written is left"
    )


def test_a_signer_does_not_show_its_key(keys):
    path, signer, _ = keys
    secret = b"".join(path.read_bytes().splitlines()[1:-1]).decode()
    assert secret not in repr(signer) and secret not in str(vars(Ledger("x", signer=signer)))


@pytest.mark.parametrize("kind", ["open", "text", "rsa", "password", "public", "missing", "folder"])
def test_a_key_that_will_not_do_is_refused(kind, tmp_path, keys):
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    path = tmp_path / "key"
    plain_text = form.NoEncryption()
    locked = form.BestAvailableEncryption(b"x")
    pem = form.Encoding.PEM
    pkcs8 = form.PrivateFormat.PKCS8
    if kind == "folder":
        path.mkdir()
    elif kind != "missing":
        content = {
            "open": keys[0].read_bytes(),
            "text": b"none",
            "rsa": ec.generate_private_key(ec.SECP256R1()).private_bytes(pem, pkcs8, plain_text),
            "password": ed25519.Ed25519PrivateKey.generate().private_bytes(pem, pkcs8, locked),
            "public": signing.public_path(keys[0]).read_bytes(),
        }
        path.write_bytes(content[kind])
        path.chmod(0o640 if kind == "open" else 0o600)
    with pytest.raises(InvalidInputError, match=r"^Expected key=") as caught:
        signing.read_key(path)
    assert "\n" not in str(caught.value)


def test_the_key_of_a_ledger_must_be_the_one_that_appends(path, keys, tmp_path):
    before = dump(path)
    for signer, sentence in ((None, "which is signed, got none"), (keys[2], "got another one")):
        with pytest.raises(InvalidInputError, match=sentence):
            Ledger(path, signer=signer).append("note", {})
    assert dump(path) == before
    with pytest.raises(InvalidInputError, match="which is not signed"):
        Ledger(plain(tmp_path / "plain.db").path, signer=keys[1]).append("note", {})


def test_without_cryptography_unsigned_ledgers_work_and_signing_says_what_to_install(
    tmp_path, path, monkeypatch
):
    for name in [name for name in sys.modules if name.split(".")[0] == "cryptography"]:
        monkeypatch.setitem(sys.modules, name, None)
    assert verify(plain(tmp_path / "plain.db").path).problems == ()
    for call in (lambda: signing.new_key(tmp_path / "key"), lambda: verify(path)):
        with pytest.raises(
            InvalidInputError, match=r"cryptography to be installed .* fedjax-shap\[ledger\]\.$"
        ):
            call()
    assert not (tmp_path / "key").exists()
    assert (
        verify(path, signatures=False).problems == () and len(Ledger(path).entries()) == COUNT + 1
    )
