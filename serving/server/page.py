"""The page at `/`: drop an image, see its mask."""

from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from serving.palette import colour, pattern
from serving.server.errors import Code, RequestError
from serving.server.limits import Limits
from serving.server.versions import Versions

_FOLDER = Path(__file__).parent / "page"
_FILES = {
    "/": "index.html",
    "/page/base.css": "base.css",
    "/page/page.css": "page.css",
    "/page/page.js": "page.js",
    "/page/upright.js": "upright.js",
    "/page/mask.js": "mask.js",
}
_HEADERS = {
    # Nothing but this server, and the pictures that the page itself makes.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


def routes(versions: Versions, limits: Limits) -> list[BaseRoute]:
    """Returns the routes of the page.

    Args:
      versions: The model's.
      limits: The page says what is too large before it sends it.

    Returns:
      Of its files, and of what it asks about the model.
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
        return JSONResponse(
            {
                "name": versions.name,
                "version": version.number,
                "classes": classes,
                "max_pixels": version.model.max_pixels,
                "max_body": limits.body,
            },
            headers=_HEADERS,
        )

    return [
        *(Route(path, _file(name)) for path, name in _FILES.items()),
        Route("/page/model.json", model),
    ]


def _file(name: str) -> Any:
    async def answer(request: Request) -> Response:
        return FileResponse(_FOLDER / name, headers=_HEADERS)

    return answer
