"""The content of a registration message: its values, and the mail or SMS that they fill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO

import segno

from harmony.mail.envelope import Envelope, InlineImage
from harmony.messages.registration import template
from harmony.messages.registration.texts import Language
from harmony.models import ChannelKind
from harmony.protection.catalogue import IOS

_QR_SCALE = 6
_PAGE = '<!doctype html>\n<html lang="{language}">\n<body>\n{body}\n</body>\n</html>\n'


@dataclass(frozen=True, slots=True)
class RegistrationContent:
    """The facts that a registration message is made of; `codes` are by profile, "" for the whole device."""

    org: str
    server: str
    platform: str
    codes: Mapping[str, str] = field(repr=False)
    expires: datetime
    name: str = field(default="", repr=False)

    @property
    def link(self) -> str:
        """The page that shows how to register; codes stand after the #, so that no server logs them."""
        return registration_link(self.server, self.codes)

    @property
    def steps(self) -> str:
        """The name of the text with the steps."""
        if "" not in self.codes:
            return "steps_enterprise"
        return "steps_ios" if self.platform == IOS else "steps_android"


def registration_link(server: str, codes: Mapping[str, str]) -> str:
    """Return the address of the registration page for these codes, with their profile where there are two.

    >>> registration_link("https://h", {"": "A"}), registration_link("https://h", {"work": "A"})
    ('https://h/register#A', 'https://h/register#work:A')
    """
    named = [f"{profile}:{code}" if profile else code for profile, code in codes.items()]
    return f"{server}/register#{','.join(named)}"


def written(
    content: RegistrationContent, channel: ChannelKind, texts: Mapping[str, str], language: Language, to: str
) -> Envelope:
    """Return the message over a channel."""
    values = _values(content, texts, language)
    if channel is ChannelKind.SMS:
        return Envelope(to, template.plain(texts["sms"], values))
    subject = template.plain(texts["subject"], values)
    page = _PAGE.format(language=language.key, body=_body_html(content, texts, language))
    image = InlineImage(template.QR_IMAGE, _qr_png(content.link))
    return Envelope(to, template.plain(texts["body"], values), subject, page, (image,))


def _body_html(content: RegistrationContent, texts: Mapping[str, str], language: Language) -> str:
    """Return the mail as HTML, without what surrounds it."""
    return template.html(texts["body"], _values(content, texts, language))


def steps_of(content: RegistrationContent, texts: Mapping[str, str], language: Language) -> str:
    """Return the steps for the device, filled."""
    return _values(content, texts, language)["steps"]


def _qr_png(text: str) -> bytes:
    """Return a QR code as a picture that mail programs show."""
    picture = BytesIO()
    segno.make(text, error="m", micro=False).save(picture, kind="png", scale=_QR_SCALE, border=4)
    return picture.getvalue()


def _values(content: RegistrationContent, texts: Mapping[str, str], language: Language) -> dict[str, str]:
    values = {
        "name": template.inert(content.name),
        "org": template.inert(content.org),
        "server": content.server,
        "code": _codes(content.codes, language),
        "link": content.link,
        "expires": _time(content.expires, language),
    }
    return values | {"steps": template.plain(texts[content.steps], values)}


def _codes(codes: Mapping[str, str], language: Language) -> str:
    named = [f"{language.words[profile]}: {code}" if profile else code for profile, code in codes.items()]
    return ", ".join(named)


def _time(at: datetime, language: Language) -> str:
    shown = at.astimezone(UTC)
    return language.words["expires"].format(date=f"{shown:%Y-%m-%d}", time=f"{shown:%H:%M}")
