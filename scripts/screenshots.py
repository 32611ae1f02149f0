"""Takes the pictures of a report that docs/ shows.

python scripts/screenshots.py runs/blue_marble/reports/<run>
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

_DOCS = Path(__file__).parents[1] / "docs"
_SCREENS = {
    "report.png": ({"width": 1200, "height": 1400}, 1),
    "report_phone.png": ({"width": 390, "height": 844}, 2),
}


def main() -> None:
    """Takes a picture of the top of the page on a desktop, and of the gallery on a phone."""
    page_file = Path(sys.argv[1]).absolute() / "index.html"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for name, (viewport, scale) in _SCREENS.items():
            page = browser.new_page(viewport=viewport, device_scale_factor=scale)
            page.goto(page_file.as_uri())
            if name == "report_phone.png":
                median = page.get_by_role("heading", name="Median")
                median.evaluate("heading => { heading.scrollIntoView(); scrollBy(0, -150); }")
            page.wait_for_timeout(500)
            page.screenshot(path=_DOCS / name)
        browser.close()


if __name__ == "__main__":
    main()
