"""The rows and their invariants; importing this package registers every table."""

from harmony.models.access import SetupCode, SignInSession, ThrottleBucket, User, VaultCanary
from harmony.models.device import Device, Membership
from harmony.models.history import AuditEntry, DeviceEvent
from harmony.models.hold import Hold
from harmony.models.integration import Integration, KnownGroup, SetupPage
from harmony.models.run import SkippedDevice, SyncRun
from harmony.models.states import (
    Absence,
    Happening,
    HoldState,
    IntegrationState,
    Stopped,
    SyncKind,
    SyncRunState,
)
from harmony.models.verification import Verification
from harmony.models.worker import Worker

__all__ = [
    "Absence",
    "AuditEntry",
    "Device",
    "DeviceEvent",
    "Happening",
    "Hold",
    "HoldState",
    "Integration",
    "IntegrationState",
    "KnownGroup",
    "Membership",
    "SetupCode",
    "SetupPage",
    "SignInSession",
    "SkippedDevice",
    "Stopped",
    "SyncKind",
    "SyncRun",
    "SyncRunState",
    "ThrottleBucket",
    "User",
    "VaultCanary",
    "Verification",
    "Worker",
]
