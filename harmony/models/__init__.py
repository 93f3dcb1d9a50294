"""The rows and their invariants; importing this package registers every table."""

from harmony.models.access import SetupCode, SignInSession, ThrottleBucket, User
from harmony.models.device import Device, Membership
from harmony.models.integration import Integration, IntegrationState, KnownGroup, SetupPage
from harmony.models.run import SkippedDevice, SyncRun, SyncRunState
from harmony.models.worker import Worker

__all__ = [
    "Device",
    "Integration",
    "IntegrationState",
    "KnownGroup",
    "Membership",
    "SetupCode",
    "SetupPage",
    "SignInSession",
    "SkippedDevice",
    "SyncRun",
    "SyncRunState",
    "ThrottleBucket",
    "User",
    "Worker",
]
