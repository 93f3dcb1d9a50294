"""Every way a call to the UEM can fail, each with a sentence a person can act on.

No text of an error carries a secret, a remote body or an address with credentials.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar


class UemError(Exception):
    """A call failed: `sentence` says what happened, `advice` the next step, `code` is its lasting name.

    `retryable`: it may succeed soon; `asked`: seconds the server wants us to wait; `status`: of a refusal.
    """

    code: ClassVar[str] = "uem-error"
    retryable: ClassVar[bool] = False
    usual_advice: ClassVar[str] = ""
    status: int = 0

    def __init__(self, sentence: str, advice: str | None = None, *, asked: float | None = None) -> None:
        super().__init__(sentence)
        self.sentence, self.asked = sentence, asked
        self.advice = self.usual_advice if advice is None else advice

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.sentence!r})"


class BlockedByPolicy(UemError):
    """The address is one this dashboard refuses to call."""

    code = "blocked-by-policy"
    usual_advice = "Correct the address, or ask whoever runs this dashboard about its outbound settings."


class Unreachable(UemError):
    """Nothing listens there, or no route leads there."""

    code = "unreachable"
    retryable = True
    usual_advice = "Check the address and port, and that a firewall lets this dashboard reach the server."


class NameNotFound(Unreachable):
    """The host name has no address."""

    code = "name-not-found"
    usual_advice = "Check the spelling of the server address and the name servers of this machine."


class ConnectionLost(Unreachable):
    """The connection was closed or reset before the answer was complete."""

    code = "connection-lost"
    usual_advice = "It is tried again by itself. If it stays, look at proxies and firewalls on the way."


class TimedOut(UemError):
    """The deadline passed before the answer was complete."""

    code = "timed-out"
    retryable = True
    usual_advice = "It is tried again by itself. If it stays, look at the load of the server and the network."


class Closed(UemError):
    """This client was closed while the call was waiting or under way."""

    code = "closed"


class TlsFailed(UemError):
    """No trusted, encrypted connection could be made."""

    code = "tls"
    usual_advice = "Check the TLS settings of the server."


class NotTls(TlsFailed):
    """The port answers, but not in TLS."""

    code = "tls-not-spoken"
    usual_advice = "Check the port in the server address."


class TlsTooOld(TlsFailed):
    """The server offers nothing newer than TLS 1.1."""

    code = "tls-too-old"
    usual_advice = "Enable TLS 1.2 or newer on the server."


class CertificateUntrusted(TlsFailed):
    """Self-signed, or issued by an authority that is not trusted here."""

    code = "certificate-untrusted"


class CertificateExpired(TlsFailed):
    """The certificate's time is over."""

    code = "certificate-expired"
    usual_advice = "Renew the certificate on the server, and check both clocks."


class CertificateNotYetValid(TlsFailed):
    """The certificate's time has not come."""

    code = "certificate-not-yet-valid"
    usual_advice = "Check the clock of this machine and the clock of the server."


class CertificateNameMismatch(TlsFailed):
    """The certificate is for other names."""

    code = "certificate-name-mismatch"
    usual_advice = (
        "Use one of these names as the server address, or renew the certificate with this name in it."
    )


class CertificateChanged(CertificateUntrusted):
    """The server presents a certificate that the uploaded one does not vouch for."""

    code = "certificate-changed"
    usual_advice = "Only if its administrator says that it was renewed, upload the new one on Server Details."

    def __init__(self, sentence: str, old_fingerprint: str, new_fingerprint: str) -> None:
        super().__init__(sentence)
        self.old_fingerprint = old_fingerprint
        self.new_fingerprint = new_fingerprint


class NotTheApi(UemError):
    """Something answered, but it is not the Workspace ONE UEM API."""

    code = "not-the-api"
    usual_advice = "Check the server address: https:// and the host name of the API, nothing after it."


class HtmlAnswer(NotTheApi):
    """A web page came instead of data."""

    code = "html-answer"
    usual_advice = "Check the address, and whether a sign-in page, proxy or firewall answers in its place."


class RedirectAnswer(NotTheApi):
    """The server pointed elsewhere; redirects are never followed, they could carry our keys away."""

    code = "redirect-answer"
    usual_advice = "Correct the server address to the one that answers by itself."


class MalformedAnswer(NotTheApi):
    """The data was cut short or is not what the API sends."""

    code = "malformed-answer"
    retryable = True
    usual_advice = "It is tried again by itself. If it stays, look at proxies between dashboard and server."


class EmptyAnswer(MalformedAnswer):
    """A success without a body: never read as "no devices"."""

    code = "empty-answer"


class TooLarge(UemError):
    """The answer is larger than any page may be."""

    code = "too-large"
    usual_advice = "Check that the server address is the Workspace ONE UEM API."


class SignInRefused(UemError):
    """The credentials do not work; asking again could lock the account."""

    code = "sign-in-refused"


class AccountLocked(SignInRefused):
    """The administrator account is locked (errorCode 1022)."""

    code = "account-locked"
    usual_advice = "Unlock the account or reset its password under Accounts > Administrators > List View."


class ApiKeyRefused(SignInRefused):
    """The REST API key belongs to no organization group (errorCode 1013)."""

    code = "api-key-refused"
    usual_advice = (
        "Copy the key again from Groups & Settings > All Settings > System > Advanced > API > REST API, "
        "at the organization group of the account."
    )


class Forbidden(UemError):
    """The account may not do this."""

    code = "forbidden"
    usual_advice = "Give the role the permission under Accounts > Administrators > Roles."


class NotFound(UemError):
    """The thing does not exist, or the account may not see it."""

    code = "not-found"
    usual_advice = "Check in the Workspace ONE console that it still exists and that the account may see it."


class RequestRefused(UemError):
    """The server understood the call and declined it."""

    code = "request-refused"
    usual_advice = "Check that the Workspace ONE UEM version is one this dashboard supports."


class RateLimited(UemError):
    """The UEM's quota or minute limit is used up; no call before `retry_at`."""

    code = "rate-limited"
    retryable = True
    usual_advice = (
        "The quota is shared with your other integrations; see Groups & Settings > All Settings > "
        "System > Advanced > API > REST API > Usage."
    )

    def __init__(self, sentence: str, retry_at: datetime, *, asked: float | None = None) -> None:
        super().__init__(sentence, asked=asked)
        self.retry_at = retry_at


class ServerFailed(UemError):
    """The server reports an error of its own (5xx)."""

    code = "server-failed"
    retryable = True
    usual_advice = "It is tried again by itself. If it stays, look at the health of the Workspace ONE UEM."


class Incomplete(UemError):
    """Not everything could be read, so nothing may be counted as missing."""

    code = "incomplete"
    usual_advice = "Nothing was removed. The next run reads everything again."
