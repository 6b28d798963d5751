"""EvoLink's dialect: three models, tasks that nothing is wrapped around, credits, a file host.

From docs.evolink.ai (kling-o1 pages, get-task-detail, get-credits) and the official tool
evolink-media-mcp, copies of 2026. What no page says, and what was chosen for it:

- money: 72 credits to the dollar, which lies between what the two published prices make of a credit
  and gives the model's own price for frames; the fast edit costs what the other edit does;
- prompts: 2,000 characters for frames (one page says 2,000 tokens, another 5,000 characters);
- edits take `keep_original_sound` (seen in one client), and no ratio; the first frame decides the
  ratio of a clip, whatever `aspect_ratio` says, as in the model itself;
- the types of a 401, 404, 429 and 5xx, and a failed task's code where a scenario names none;
- failed tasks keep their money (the dearer reading); nobody tells what was charged in the end;
- the file host takes videos too (a page says images, the official skill any), refuses a form's
  unknown field, never fetches an address, and words its troubles as its failures.
"""

from __future__ import annotations

from types import MappingProxyType

from starlette.routing import BaseRoute

from pipeline.sandbox.desk import Desk
from pipeline.sandbox.dialect import Dialect
from pipeline.sandbox.dialects.evolink import files, replies, tasks
from pipeline.sandbox.visit import endpoints

__all__ = ["EVOLINK"]

_API = (
    ("/v1/videos/generations", "POST", tasks.post),
    ("/v1/tasks/{task}", "GET", tasks.get),
    ("/v1/credits", "GET", tasks.balance),
)
_FILES = (
    ("/files/api/v1/files/upload/stream", "POST", files.from_form),
    ("/files/api/v1/files/upload/base64", "POST", files.from_text),
    ("/files/api/v1/files/upload/url", "POST", files.from_address),
    ("/files/api/v1/files/{file}", "DELETE", files.delete),
)


def _routes(desk: Desk) -> list[BaseRoute]:
    return [
        *endpoints(desk, _API, provider=EVOLINK.name, costume=replies.costume),
        *endpoints(desk, _FILES, provider=EVOLINK.name, costume=files.costume),
    ]


EVOLINK = Dialect(
    name="evolink",
    routes=_routes,
    addresses=MappingProxyType({"base_url": "/evolink", "upload_url": "/evolink/files"}),
    refunds=replies.REFUNDS,
)
