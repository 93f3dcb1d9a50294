"""Sign-in through an OpenID provider: its settings, accounts it vouches for, sign-ins that are under way."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from harmony.db import Base, UtcDateTime


class IdentityProvider(Base):
    """The OpenID provider of the installation: one row. `client_secret` is sealed for the issuer.

    `rules` are ordered objects of a claim's value and a role; `certificate` is PEM, "" for the public store.
    """

    __tablename__ = "identity_provider"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    issuer: Mapped[str] = mapped_column(String(512))
    client_id: Mapped[str] = mapped_column(String(256))
    client_secret: Mapped[str] = mapped_column(Text)
    scopes: Mapped[str] = mapped_column(String(256))
    claim_path: Mapped[str] = mapped_column(String(256))
    rules: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    certificate: Mapped[str] = mapped_column(Text, default="")
    edition: Mapped[int] = mapped_column(default=1)


class ExternalIdentity(Base):
    """A person at the provider, by issuer and subject alone, and the account that is theirs."""

    __tablename__ = "external_identity"
    __table_args__ = (UniqueConstraint("issuer", "subject", name="uq_external_identity_issuer"),)

    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), primary_key=True)
    issuer: Mapped[str] = mapped_column(String(512))
    subject: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    signed_in_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SignOnFlow(Base):
    """A sign-in that was sent to the provider: found by its state, for one browser, used once.

    `sealed` has the nonce, the PKCE verifier and the page to go to; `test_id` is that of a test.
    """

    __tablename__ = "sign_on_flow"

    state_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    browser_hash: Mapped[str] = mapped_column(String(64))
    test_id: Mapped[str | None] = mapped_column(ForeignKey("sign_on_test.id", ondelete="CASCADE"))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    sealed: Mapped[str] = mapped_column(Text)


class SignOnTest(Base):
    """Settings that an administrator tries before saving, and the outcome; both sealed."""

    __tablename__ = "sign_on_test"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    sealed: Mapped[str] = mapped_column(Text)
    outcome: Mapped[str] = mapped_column(Text, default="")


class ProviderSession(Base):
    """The session at the provider behind one of ours, so that its logout ends ours; `id_token` is sealed."""

    __tablename__ = "provider_session"
    __table_args__ = (Index("ix_provider_session_issuer_subject", "issuer", "subject"),)

    token_hash: Mapped[str] = mapped_column(
        ForeignKey("sign_in_session.token_hash", ondelete="CASCADE"), primary_key=True
    )
    issuer: Mapped[str] = mapped_column(String(512))
    subject: Mapped[str] = mapped_column(String(255))
    sid: Mapped[str] = mapped_column(String(255), default="", index=True)
    id_token: Mapped[str] = mapped_column(Text, default="")


class UsedLogoutToken(Base):
    """The hash of a logout token's id: the same token ends sessions once."""

    __tablename__ = "used_logout_token"

    jti_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    used_at: Mapped[datetime] = mapped_column(UtcDateTime)
