"""Rung H: what is sealed opens in its own place with its own key, and nowhere else."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmony.security.keys import new_vault_key
from harmony.security.vault import Vault, VaultLocked, origin_of

HERE = "integration:7:client_secret"
KEY = new_vault_key()
VAULT = Vault((KEY,))


@given(st.text(), st.text())
def test_what_was_sealed_comes_back(secret: str, place: str) -> None:
    assert VAULT.open(VAULT.seal(secret, place), place) == secret


@given(st.integers(min_value=0), st.integers(1, 255))
def test_one_changed_byte_locks_it(position: int, change: int) -> None:
    version, key_id, body = VAULT.seal("canary", HERE).split(".")
    raw = bytearray(base64.urlsafe_b64decode(body))
    raw[position % len(raw)] ^= change
    with pytest.raises(VaultLocked):
        VAULT.open(f"{version}.{key_id}.{base64.urlsafe_b64encode(raw).decode()}", HERE)


@pytest.mark.parametrize("place", ["integration:8:client_secret", "integration:7:password", ""])
def test_a_ciphertext_moved_to_another_row_or_column_does_not_open(place: str) -> None:
    with pytest.raises(VaultLocked):
        VAULT.open(VAULT.seal("canary", HERE), place)


@pytest.mark.parametrize(
    "text", ["", "canary", "v1", "v1.00000000.AAAA", "v2.a.b", "v1.a.b.c", "v1..", "ü.ü.ü"]
)
def test_what_is_no_ciphertext_is_locked_and_not_an_error_of_ours(text: str) -> None:
    with pytest.raises(VaultLocked):
        VAULT.open(text, HERE)


def test_a_cut_off_ciphertext_is_locked() -> None:
    sealed = VAULT.seal("canary", HERE)
    for length in range(len(sealed)):
        with pytest.raises(VaultLocked):
            VAULT.open(sealed[:length], HERE)


def test_another_key_says_what_to_do() -> None:
    with pytest.raises(
        VaultLocked, match=r"does not open the stored credentials.*HARMONY_VAULT_KEYS"
    ) as raised:
        Vault((new_vault_key(),)).open(VAULT.seal("canary", HERE), HERE)
    assert raised.value.sentence
    assert raised.value.advice
    assert raised.value.__cause__ is None


def test_the_newest_key_seals_and_the_older_one_still_opens() -> None:
    newer = new_vault_key()
    both = Vault((newer, KEY))
    assert both.open(VAULT.seal("old", HERE), HERE) == "old"
    assert Vault((newer,)).open(both.seal("new", HERE), HERE) == "new"


def test_the_same_text_is_sealed_differently_each_time() -> None:
    assert len({VAULT.seal("canary", HERE) for _ in range(50)}) == 50


def test_nothing_is_shown() -> None:
    assert repr(VAULT) == "<Vault with 1 keys>"
    assert KEY[:8] not in VAULT.seal("canary", HERE)


def test_a_vault_without_a_key_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a key"):
        Vault(())


@given(st.text(min_size=1), st.text(min_size=1), st.text())
def test_what_is_sealed_for_an_origin_opens_for_no_other(origin: str, other: str, secret: str) -> None:
    sealed = VAULT.seal(secret, HERE, origin)
    assert VAULT.open(sealed, HERE, origin) == secret
    assert origin_of(sealed) == origin
    for wrong in {other, ""} - {origin}:
        with pytest.raises(VaultLocked):
            VAULT.open(sealed, HERE, wrong)


def test_an_origin_that_is_exchanged_in_the_sealed_text_locks_it() -> None:
    version, key_id, _origin, body = VAULT.seal("canary", HERE, "https://old.example").split(".")
    forged = base64.urlsafe_b64encode(b"https://new.example").decode()
    with pytest.raises(VaultLocked):
        VAULT.open(f"{version}.{key_id}.{forged}.{body}", HERE, "https://new.example")
    with pytest.raises(VaultLocked):
        VAULT.open(f"v1.{key_id}.{body}", HERE)


def test_a_new_key_keeps_the_origin() -> None:
    newer = Vault((new_vault_key(), KEY))
    renewed = newer.reseal(VAULT.seal("canary", HERE, "https://old.example"), HERE)
    assert newer.is_current(renewed)
    assert newer.open(renewed, HERE, "https://old.example") == "canary"
    with pytest.raises(VaultLocked):
        newer.open(renewed, HERE, "https://new.example")


def test_a_fingerprint_tells_texts_apart_and_needs_the_key() -> None:
    assert VAULT.fingerprint("a", "bc") == VAULT.fingerprint("a", "bc") != VAULT.fingerprint("ab", "c")
    assert VAULT.fingerprint("a") != Vault((new_vault_key(),)).fingerprint("a")
