"""Access: users, sessions, kept forms, the set-up code, throttle buckets; and the vault's canary."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, ForeignKey, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from harmony.db import Base, UtcDateTime


class Role(StrEnum):
    """The role of a user, from least to most; `security.permissions` names the permissions of each."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"


class User(Base):
    """A person who signs in. `name_key` is the folded name, so that two spellings are one account.

    `device_columns` are the names of the columns chosen for the device list; "" for the usual ones.
    `scope` lists the keys of the device groups that a viewer or operator sees; None for every device.
    Nobody signs in as a user whose `disabled_at` is set.
    While `password_off`, no password signs this user in.
    `role_settings` come with the user, because each request asks for them.
    """

    __tablename__ = "user"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    name_key: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[str] = mapped_column(String(16))
    password_hash: Mapped[str] = mapped_column(String(256))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    device_columns: Mapped[str] = mapped_column(String(512), default="", server_default="")
    scope: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    password_off: Mapped[bool] = mapped_column(default=False, server_default=false())

    role_settings: Mapped[RoleSettings | None] = relationship(
        primaryjoin="foreign(User.role) == RoleSettings.role", lazy="joined", viewonly=True
    )


class RoleSettings(Base):
    """The switches of a role, as an administrator set them; a role without a row has the defaults."""

    __tablename__ = "role_settings"

    role: Mapped[str] = mapped_column(String(16), primary_key=True)
    hides_personal_data: Mapped[bool] = mapped_column(default=False, server_default=false())
    requires_second_factor: Mapped[bool] = mapped_column(default=False, server_default=false())


class SignInSession(Base):
    """One browser that is signed in. Only the SHA-256 of its cookie is stored.

    One that has ended by itself is remembered for a few days: it opens nothing, but tells whose it was.
    `reauthenticated_at` is when its user last proved who they are: at sign-in, or again afterwards.
    `method` names what its user proved at sign-in.
    """

    __tablename__ = "sign_in_session"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reauthenticated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    browser: Mapped[str] = mapped_column(String(64), default="", server_default="")
    method: Mapped[str] = mapped_column(String(32), default="", server_default="")

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)


class Invitation(Base):
    """The link by which a user chooses a password; only the SHA-256 of its token is stored."""

    __tablename__ = "invitation"

    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class KeptForm(Base):
    """A form that was sent to `page` after the session of `user_id` had ended, sealed with all it carried."""

    __tablename__ = "kept_form"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    page: Mapped[str] = mapped_column(String(512))
    sealed: Mapped[str] = mapped_column(Text)
    kept_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SetupCode(Base):
    """The code printed at the first start; gone once the first administrator exists."""

    __tablename__ = "setup_code"

    id: Mapped[int] = mapped_column(primary_key=True)
    code_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ThrottleBucket(Base):
    """A token bucket: how many tries a key has left at the moment it was last looked at."""

    __tablename__ = "throttle_bucket"

    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    tokens: Mapped[float]
    refilled_at: Mapped[datetime] = mapped_column(UtcDateTime)


class VaultCanary(Base):
    """A known text, sealed: it tells at the start whether the configured keys belong to this database."""

    __tablename__ = "vault_canary"

    id: Mapped[int] = mapped_column(primary_key=True)
    sealed: Mapped[str] = mapped_column(String(256))
