"""The ways a call through a Connector can fail on the dashboard's side, or at the agent's word."""

from __future__ import annotations

from harmony.connector.wire import WireFailure
from harmony.uem.errors import BlockedByPolicy, CertificateChanged, RateLimited, UemError, Unreachable
from harmony.uem.text import clean

_LONGEST_SENTENCE = 500


class ConnectorUnavailable(Unreachable):
    """No agent of the Connector takes calls."""

    code = "connector-unavailable"
    usual_advice = "Start the Connector's agent, and look at Settings > Connectors for its last heartbeat."


class ConnectorRevoked(UemError):
    """The Connector was revoked, or does not exist any more."""

    code = "connector-revoked"
    usual_advice = "Choose another Connector where this one is chosen, or none."


class ConnectorRefused(BlockedByPolicy):
    """The agent would not make the call: its own list does not name that server or path."""

    code = "connector-refused"
    usual_advice = "Add the server to HARMONY_CONNECTOR_ALLOW of the agent, where its administrator agrees."


def failure(name: str, said: WireFailure) -> UemError:
    """Return the error that an agent of the Connector `name` reports, under its own type."""
    if said.refused_by_agent:
        return ConnectorRefused(f"Connector {name} refused: {sentence_of(said.sentence)}")
    kind = _TYPES.get(said.code, UemError)
    sentence = f"Through Connector {name}: {sentence_of(said.sentence)}"
    if kind is CertificateChanged:
        return CertificateChanged(sentence, "", "")
    return kind(sentence, sentence_of(said.advice))


def sentence_of(text: str) -> str:
    """Return what an agent says, as long as a sentence may be: pages and runs keep it."""
    return clean(text, _LONGEST_SENTENCE)


def _types(kind: type[UemError]) -> dict[str, type[UemError]]:
    found = {kind.code: kind}
    for narrower in kind.__subclasses__():
        found |= _types(narrower)
    return found


# What an agent may report: how a single call failed. A wait that a server asks for is read from its answer.
_TYPES = {code: kind for code, kind in _types(UemError).items() if kind is not RateLimited}
