"""The rows and their invariants; importing this package registers every table."""

from harmony.models.access import (
    Invitation,
    KeptForm,
    RoleSettings,
    SetupCode,
    SignInSession,
    ThrottleBucket,
    User,
    VaultCanary,
)
from harmony.models.api_key import ApiAnswer, ApiKey
from harmony.models.app import App, AppDecision, AppException, AppReading, InstalledApp
from harmony.models.applied_file import AppliedFile
from harmony.models.caution import Caution
from harmony.models.connector import Connector, ConnectorAgent, OutboundProxy, RelayCall, RelayPart
from harmony.models.destination import Destination, FeedDelivery, FeedRow
from harmony.models.device import Device, Membership
from harmony.models.event_listener import EventListener, UemEvent
from harmony.models.history import AuditChain, AuditEntry, DeviceEvent
from harmony.models.hold import Hold
from harmony.models.integration import Integration, KnownGroup, SetupPage
from harmony.models.job import Job
from harmony.models.message import (
    MailServer,
    Message,
    MessageChannel,
    MessageTemplate,
    NoticeState,
    NoticeSubscription,
)
from harmony.models.policy import Policy, PolicyRecord, RiskOverride
from harmony.models.protection import Event, Finding, Protection, Registration, RegistrationCode
from harmony.models.refusal import RegistrationRefusal
from harmony.models.run import JobRun, SkippedDevice, SyncRun
from harmony.models.sign_on import (
    ExternalIdentity,
    IdentityProvider,
    ProviderSession,
    SignOnFlow,
    SignOnTest,
    UsedLogoutToken,
)
from harmony.models.states import (
    Absence,
    Action,
    ChannelKind,
    DeliveryOutcome,
    DestinationKind,
    DestinationState,
    DeviceStatus,
    FeedKind,
    Happening,
    HoldState,
    IntegrationState,
    LinkState,
    MessageKind,
    MessageState,
    Profile,
    RecordFormat,
    Risk,
    Severity,
    StopReason,
    SyncKind,
    SyncRunState,
    Verb,
)
from harmony.models.tag import FormerTag, TagLink, UemTag
from harmony.models.uem_state import AccessToken, WaitRow
from harmony.models.verification import Verification
from harmony.models.worker import Sweep, Worker

__all__ = [
    "Absence",
    "AccessToken",
    "Action",
    "ApiAnswer",
    "ApiKey",
    "App",
    "AppDecision",
    "AppException",
    "AppReading",
    "AppliedFile",
    "AuditChain",
    "AuditEntry",
    "Caution",
    "ChannelKind",
    "Connector",
    "ConnectorAgent",
    "DeliveryOutcome",
    "Destination",
    "DestinationKind",
    "DestinationState",
    "Device",
    "DeviceEvent",
    "DeviceStatus",
    "Event",
    "EventListener",
    "ExternalIdentity",
    "FeedDelivery",
    "FeedKind",
    "FeedRow",
    "Finding",
    "FormerTag",
    "Happening",
    "Hold",
    "HoldState",
    "IdentityProvider",
    "InstalledApp",
    "Integration",
    "IntegrationState",
    "Invitation",
    "Job",
    "JobRun",
    "KeptForm",
    "KnownGroup",
    "LinkState",
    "MailServer",
    "Membership",
    "Message",
    "MessageChannel",
    "MessageKind",
    "MessageState",
    "MessageTemplate",
    "NoticeState",
    "NoticeSubscription",
    "OutboundProxy",
    "Policy",
    "PolicyRecord",
    "Profile",
    "Protection",
    "ProviderSession",
    "RecordFormat",
    "Registration",
    "RegistrationCode",
    "RegistrationRefusal",
    "RelayCall",
    "RelayPart",
    "Risk",
    "RiskOverride",
    "RoleSettings",
    "SetupCode",
    "SetupPage",
    "Severity",
    "SignInSession",
    "SignOnFlow",
    "SignOnTest",
    "SkippedDevice",
    "StopReason",
    "Sweep",
    "SyncKind",
    "SyncRun",
    "SyncRunState",
    "TagLink",
    "ThrottleBucket",
    "UemEvent",
    "UemTag",
    "UsedLogoutToken",
    "User",
    "VaultCanary",
    "Verb",
    "Verification",
    "WaitRow",
    "Worker",
]
