"""PURE: the names of the tags that carry the protection state (facts/harmony-mobile.md §2.3)."""

from __future__ import annotations

from harmony.models.configuration import Tagging

STATUS_TAGS = ("CHKP_Status_Provisioned", "CHKP_Status_Active", "CHKP_Status_Inactive")
RISK_TAGS = ("CHKP_Risk_High", "CHKP_Risk_Medium", "CHKP_Risk_Low")


def needed_names(tagging: Tagging) -> tuple[str, ...]:
    """The tags that must exist in the UEM for these switches; threat factors get theirs when one is found."""
    return (STATUS_TAGS if tagging.tag_status else ()) + (RISK_TAGS if tagging.tag_risk else ())
