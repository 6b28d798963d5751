"""Callsheet runs a YAML manifest of AI video shots as a build: checked, priced, made once.

    from pipeline import Project

    campaign = Project(rehearse=True).open("campaign.yaml")
    plan = campaign.plan(select="tag:hero")

What is listed here is the public API; each name is loaded when it is first used.
"""

from __future__ import annotations

from pipeline.exports import lazy_names

_HOMES = {
    "Campaign": "api.campaign",
    "CampaignStatus": "api.campaign_report",
    "CallsheetError": "errors",
    "Decisions": "api.reconciliation",
    "Diagnostic": "findings",
    "Event": "domain.records",
    "Exit": "domain.states",
    "InvalidInput": "errors",
    "Outcome": "run.outcome",
    "Plan": "api.campaign_plan",
    "Project": "api.project",
    "PurchasesRefused": "api.loss_consent",
    "Record": "domain.records",
    "Report": "report.summary",
    "Run": "api.campaign_run",
    "State": "domain.states",
    "Status": "domain.states",
}
__all__ = sorted(_HOMES)  # noqa: PLE0605 - sorted from the one table of homes
__getattr__ = lazy_names("pipeline", _HOMES)


def __dir__() -> list[str]:
    return list(__all__)
