"""PURE: the addresses of gateways that an administrator may enter: a webhook, or a service by its name."""

from __future__ import annotations

import re

NUMBER = "{number}"
# Services that send over HTTPS with nothing but `requests`, which Harmony replaces by calls that obey the
# outbound policy: the module of Apprise and its class. No other module of a service is ever loaded, and none
# of these touches this machine (docs/decisions/0026-gateways.md).
SMS_SERVICES = {
    "bulksms": ("bulksms", "NotifyBulkSMS"),
    "clicksend": ("clicksend", "NotifyClickSend"),
    "d7sms": ("d7networks", "NotifyD7Networks"),
    "httpsms": ("httpsms", "NotifyHttpSMS"),
    "nexmo": ("vonage", "NotifyVonage"),
    "plivo": ("plivo", "NotifyPlivo"),
    "seven": ("seven", "NotifySeven"),
    "sinch": ("sinch", "NotifySinch"),
    "twilio": ("twilio", "NotifyTwilio"),
    "vonage": ("vonage", "NotifyVonage"),
}
CHAT_SERVICES = {
    "discord": ("discord", "NotifyDiscord"),
    "gchat": ("google_chat", "NotifyGoogleChat"),
    "gotifys": ("gotify", "NotifyGotify"),
    "mmosts": ("mattermost", "NotifyMattermost"),
    "ntfys": ("ntfy", "NotifyNtfy"),
    "pover": ("pushover", "NotifyPushover"),
    "rockets": ("rocketchat", "NotifyRocketChat"),
    "slack": ("slack", "NotifySlack"),
    "tgram": ("telegram", "NotifyTelegram"),
    "workflows": ("workflows", "NotifyWorkflows"),
    "wxteams": ("webexteams", "NotifyWebexTeams"),
    "zulip": ("zulip", "NotifyZulip"),
}
WEBHOOK = frozenset({"https", "http"})
_SCHEME = re.compile(r"([a-z0-9]+)://\S+", re.IGNORECASE)
_TELEPHONE = re.compile(r"\+?[0-9]{5,15}")
_LONG_NUMBER = re.compile(r"\+?[0-9][0-9 ()-]{5,}[0-9]")


def scheme_of(url: str) -> str:
    """Return what the address begins with, in lower case; "" for what is no address."""
    found = _SCHEME.fullmatch(url)
    return found[1].lower() if found else ""


def address_fault(url: str, kind: str) -> str | None:
    """Return why a channel of this kind cannot have the address, or None.

    >>> address_fault("file:///etc/passwd", "chat")
    'Harmony does not send over “file”. Use the https:// address of a webhook, or one of the named services.'
    """
    scheme = scheme_of(url)
    if not scheme:
        return "Enter the whole address, such as https://gateway.example/messages, without blanks."
    if scheme in WEBHOOK:
        return None
    if scheme not in (SMS_SERVICES if kind == "sms" else CHAT_SERVICES):
        return (
            f"Harmony does not send over “{scheme}”. "
            "Use the https:// address of a webhook, or one of the named services."
        )
    if kind == "sms" and url.count(NUMBER) != 1:
        return f"Write {NUMBER} once, where the telephone number belongs."
    return None


def telephone(text: str) -> str | None:
    """Return a telephone number without what people write between its digits; None for what is none.

    >>> telephone("+47 (22) 12-34-56"), telephone("12; DROP")
    ('+4722123456', None)
    """
    digits = re.sub(r"[ ()/.-]", "", text)
    return digits if _TELEPHONE.fullmatch(digits) else None


def without_numbers(text: str) -> str:
    """Return a text with a word in place of each telephone number: it is stored and shown.

    >>> without_numbers("cannot reach +47 22 12 34 56")
    'cannot reach (number)'
    """
    return _LONG_NUMBER.sub("(number)", text)
