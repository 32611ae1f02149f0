"""The web page at `/`, which shows the mask that the model predicts for an image."""

from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from serving.card.files import read_pushed_card
from serving.card.sections import card_sections
from serving.palette import THEME_FILE, colour, pattern
from serving.server.errors import Code, RequestError
from serving.server.limits import Limits
from serving.server.versions import Versions

_FOLDER = Path(__file__).parent / "page"
_FILES = {
    "/": _FOLDER / "index.html",
    "/page/theme.css": THEME_FILE,
    "/page/page.css": _FOLDER / "page.css",
    "/page/page.js": _FOLDER / "page.js",
    "/page/orientation.js": _FOLDER / "orientation.js",
    "/page/mask.js": _FOLDER / "mask.js",
    "/page/card.js": _FOLDER / "card.js",
    "/page/png.js": _FOLDER / "png.js",
}
_HEADERS = {
    # The browser may load content only from this server, except for images that the page creates.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
}


def routes(versions: Versions, limits: Limits) -> list[BaseRoute]:
    """Returns the HTTP routes of the web page.

    Args:
      versions: Versions of the model that are known to the server.
      limits: Limits of the server. The page uses the body size limit to reject files that are too
        large before sending them.

    Returns:
      The routes for the page's files, and for a JSON description of the model that the page reads.
    """

    async def model(request: Request) -> Response:
        try:
            version = versions.find()
        except RequestError:
            return JSONResponse(
                {"error": f"No version of {versions.name} is served yet. Push one: unetfx run"},
                Code.UNAVAILABLE.http,
            )
        classes: list[dict[str, Any]] = [
            {"name": name, "colour": colour(class_id), "pattern": pattern(class_id)}
            for class_id, name in enumerate(version.model.classes)
        ]
        # Read from the file, which may be corrected while the version is served.
        card = await run_in_threadpool(read_pushed_card, version.model.path)
        return JSONResponse(
            {
                "name": versions.name,
                "version": version.number,
                "classes": classes,
                "max_pixels": version.model.max_pixels,
                "max_body": limits.body,
                "card": [part._asdict() for part in card_sections(card)] if card else [],
            },
            headers=_HEADERS,
        )

    return [
        *(Route(path, _file(file)) for path, file in _FILES.items()),
        Route("/page/model.json", model),
    ]


def _file(file: Path) -> Any:
    async def respond(request: Request) -> Response:
        return FileResponse(file, headers=_HEADERS)

    return respond
