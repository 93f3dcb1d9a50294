"""The rows and their invariants; importing this package registers every table."""

from harmony.models.access import KeptForm, SetupCode, SignInSession, ThrottleBucket, User, VaultCanary
from harmony.models.app import App, AppDecision, AppException, AppReading, InstalledApp
from harmony.models.device import Device, Membership
from harmony.models.history import AuditEntry, DeviceEvent
from harmony.models.hold import Hold
from harmony.models.integration import Integration, KnownGroup, SetupPage
from harmony.models.job import Job
from harmony.models.policy import Policy, PolicyRecord
from harmony.models.protection import Event, Finding, Protection, Registration, RegistrationCode
from harmony.models.run import JobRun, SkippedDevice, SyncRun
from harmony.models.states import (
    Absence,
    Action,
    DeviceStatus,
    Happening,
    HoldState,
    IntegrationState,
    LinkState,
    Profile,
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
    "App",
    "AppDecision",
    "AppException",
    "AppReading",
    "AuditEntry",
    "Device",
    "DeviceEvent",
    "DeviceStatus",
    "Event",
    "Finding",
    "FormerTag",
    "Happening",
    "Hold",
    "HoldState",
    "InstalledApp",
    "Integration",
    "IntegrationState",
    "Job",
    "JobRun",
    "KeptForm",
    "KnownGroup",
    "LinkState",
    "Membership",
    "Policy",
    "PolicyRecord",
    "Profile",
    "Protection",
    "Registration",
    "RegistrationCode",
    "Risk",
    "SetupCode",
    "SetupPage",
    "Severity",
    "SignInSession",
    "SkippedDevice",
    "StopReason",
    "Sweep",
    "SyncKind",
    "SyncRun",
    "SyncRunState",
    "TagLink",
    "ThrottleBucket",
    "UemTag",
    "User",
    "VaultCanary",
    "Verb",
    "Verification",
    "WaitRow",
    "Worker",
]
