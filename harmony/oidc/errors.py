"""PURE: the ways a sign-in through the provider can fail, each with a sentence and the next step."""

from __future__ import annotations

_ASK = "Try again. If it stays, tell your administrator."
_SETTINGS = "An administrator can correct this on Settings > Single sign-on."


class SignOnError(Exception):
    """A sign-in through the provider failed: `sentence` says why, `advice` the next step.

    No text carries a secret, a token or a description that the provider sent.
    """

    status = 422
    usual_advice = _ASK
    # What the audit says instead of the sentence, if that may be personal.
    record = ""

    def __init__(self, sentence: str, advice: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.advice = self.usual_advice if advice is None else advice


class ProviderUnreachable(SignOnError):
    """The provider could not be called, or did not answer as it should."""

    status = 503
    usual_advice = "Try again in a moment. Local accounts can still sign in with their password."


class ProviderUnfit(SignOnError):
    """The settings do not fit the provider, or the provider lacks something that is needed."""

    usual_advice = _SETTINGS


class ProviderDeclined(SignOnError):
    """The provider ended the sign-in with an error of its own."""


class TokenRefused(SignOnError):
    """A token of the provider is not what it should be. Nothing of it is believed."""

    usual_advice = _SETTINGS


class UnknownKey(TokenRefused):
    """A token names a key that the provider did not publish when its keys were read."""


class FlowLost(SignOnError):
    """The answer belongs to no sign-in of this browser, or to one that was used or is too old."""

    usual_advice = "Start the sign-in again."


class NoAccess(SignOnError):
    """The provider knows the person, but no rule gives a role, or the account is disabled."""

    status = 403
    usual_advice = "Ask your administrator for access."


class NoRule(NoAccess):
    """No rule matches; the sentence has the values of the claim."""

    record = "no rule matches"
