"""Unifically's dialect: a task with a `video_mode`, an envelope around every reply, a file host.

From docs.unifically.com (v1-tasks, error-handling, kling-o1-video) and the gitbook's storage page,
copies of 2026. What no page says, and what was chosen for it:

- price: the older O1 endpoints' 0.048 USD a second, for both modes, with and without a video;
- `data.cost` of a poll and of a dry run: as third parties' clients read it;
- an account without credit: `success` false under HTTP 200; the scenario's fault `no-credit` is the
  HTTP 402 that a third party's client knows; the codes of 402 and 404;
- a failed task's poll: HTTP 400 `generation_failed`; with form `item` HTTP 200 and `error_message`,
  with form `object` HTTP 200 and `error`, all as clients have read it;
- failed tasks keep their money (the dearer reading), and uploads live for an hour;
- the model's own rules hold where the page is silent: 5 or 10 seconds from text or a first frame
  alone, no length for an edit, a first frame decides the ratio;
- a dry run answers the price alone and does not look at the account.
"""

from __future__ import annotations

from types import MappingProxyType

from starlette.routing import BaseRoute

from pipeline.sandbox.desk import Desk
from pipeline.sandbox.dialect import Dialect
from pipeline.sandbox.dialects.unifically import replies, tasks
from pipeline.sandbox.visit import endpoints

__all__ = ["UNIFICALLY"]

_ROUTES = (
    ("/v1/tasks", "POST", tasks.post),
    ("/v1/tasks/{task}", "GET", tasks.get),
    ("/v1/account", "GET", tasks.account),
    ("/files/upload", "PUT", tasks.upload),
)


def _routes(desk: Desk) -> list[BaseRoute]:
    return endpoints(desk, _ROUTES, provider=UNIFICALLY.name, costume=replies.costume)


UNIFICALLY = Dialect(
    name="unifically",
    routes=_routes,
    addresses=MappingProxyType({"base_url": "/unifically", "upload_url": "/unifically/files"}),
    refunds=replies.REFUNDS,
)
