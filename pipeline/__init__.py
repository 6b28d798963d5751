"""Callsheet runs a YAML manifest of AI video shots as a build: checked, priced, made once.

    from pipeline import Project

    campaign = Project(rehearse=True).open("campaign.yaml")
    plan = campaign.plan(select="tag:hero")

What is listed here is the public API; each name is loaded when it is first used.
"""

from __future__ import annotations

from pipeline.exports import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:  # an editor and a type checker read this, Python does not
    from pipeline.api.campaign import Campaign as Campaign
    from pipeline.api.campaign_plan import Plan as Plan
    from pipeline.api.campaign_report import CampaignStatus as CampaignStatus
    from pipeline.api.campaign_run import Run as Run
    from pipeline.api.explanations import Explanation as Explanation
    from pipeline.api.loss_consent import PurchasesRefused as PurchasesRefused
    from pipeline.api.project import Project as Project
    from pipeline.api.reconciliation import Decisions as Decisions
    from pipeline.api.saved_plans import StalePlan as StalePlan
    from pipeline.domain.acceptance import PlaceState as PlaceState
    from pipeline.domain.loop_places import LoopPlace as LoopPlace
    from pipeline.domain.records import Event as Event
    from pipeline.domain.records import Record as Record
    from pipeline.domain.states import Exit as Exit
    from pipeline.domain.states import State as State
    from pipeline.domain.states import Status as Status
    from pipeline.errors import CallsheetError as CallsheetError
    from pipeline.errors import InvalidInput as InvalidInput
    from pipeline.findings import Finding as Finding
    from pipeline.report.summary import Report as Report
    from pipeline.run.outcome import Outcome as Outcome


_HOMES = {
    "Campaign": "api.campaign",
    "CampaignStatus": "api.campaign_report",
    "CallsheetError": "errors",
    "Decisions": "api.reconciliation",
    "Event": "domain.records",
    "Exit": "domain.states",
    "Explanation": "api.explanations",
    "Finding": "findings",
    "InvalidInput": "errors",
    "LoopPlace": "domain.loop_places",
    "Outcome": "run.outcome",
    "PlaceState": "domain.acceptance",
    "Plan": "api.campaign_plan",
    "Project": "api.project",
    "PurchasesRefused": "api.loss_consent",
    "Record": "domain.records",
    "Report": "report.summary",
    "Run": "api.campaign_run",
    "StalePlan": "api.saved_plans",
    "State": "domain.states",
    "Status": "domain.states",
}
__all__ = sorted(_HOMES)  # noqa: PLE0605 - sorted from the one table of homes
__getattr__ = lazy_names("pipeline", _HOMES)


def __dir__() -> list[str]:
    return list(__all__)
