"""The ceremonies of WebAuthn, by py_webauthn. Imported where a passkey is used: no start waits for it."""

from __future__ import annotations

from collections.abc import Sequence

import webauthn
from webauthn.helpers import base64url_to_bytes, exceptions, structs
from webauthn.registration.verify_registration_response import VerifiedRegistration

from harmony.security.factors.relying_party import RelyingParty

_RP_NAME = "Harmony"


class AnswerInvalid(Exception):
    """The answer of an authenticator does not hold."""


def registration_request(
    party: RelyingParty, name: str, handle: bytes, challenge: bytes, known: Sequence[str]
) -> str:
    """Return what the browser needs to make a passkey, as JSON; none beside the `known` credentials."""
    options = webauthn.generate_registration_options(
        rp_id=party.id,
        rp_name=_RP_NAME,
        user_name=name,
        user_id=handle,
        challenge=challenge,
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=_descriptors(known),
    )
    return webauthn.options_to_json(options)


def sign_in_request(party: RelyingParty, challenge: bytes, known: Sequence[str] | None) -> str:
    """Return what the browser needs to sign in, as JSON: with a `known` credential, or None for any."""
    options = webauthn.generate_authentication_options(
        rp_id=party.id,
        challenge=challenge,
        allow_credentials=_descriptors(known) if known is not None else None,
        user_verification=structs.UserVerificationRequirement.REQUIRED,
    )
    return webauthn.options_to_json(options)


def verified_registration(party: RelyingParty, answer: str, challenge: bytes) -> VerifiedRegistration:
    """Return the credential that an answer brings. Raises AnswerInvalid."""
    try:
        return webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            require_user_verification=True,
        )
    except exceptions.WebAuthnException as problem:
        raise AnswerInvalid from problem


def verified_count(party: RelyingParty, answer: str, challenge: bytes, public_key: bytes) -> int:
    """Check the signature. Return the authenticator's counter; a fall of it is the caller's to judge.

    Raises AnswerInvalid.
    """
    try:
        found = webauthn.verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=public_key,
            # Synced passkeys stay at 0, and a restored authenticator falls behind: no reason to refuse.
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except exceptions.WebAuthnException as problem:
        raise AnswerInvalid from problem
    return found.new_sign_count


def _descriptors(known: Sequence[str]) -> list[structs.PublicKeyCredentialDescriptor]:
    return [structs.PublicKeyCredentialDescriptor(id=base64url_to_bytes(id_)) for id_ in known]
