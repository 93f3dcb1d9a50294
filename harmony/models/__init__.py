"""The rows and their invariants; importing this package registers every table."""

from harmony.models.access import SetupCode, SignInSession, ThrottleBucket, User, VaultCanary
from harmony.models.device import Device, Membership
from harmony.models.integration import Integration, KnownGroup, SetupPage
from harmony.models.run import SkippedDevice, SyncRun
from harmony.models.states import IntegrationState, Stopped, SyncRunState
from harmony.models.verification import Verification
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
    "Stopped",
    "SyncRun",
    "SyncRunState",
    "ThrottleBucket",
    "User",
    "VaultCanary",
    "Verification",
    "Worker",
]
