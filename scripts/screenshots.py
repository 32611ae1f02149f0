"""Takes the screenshots in docs/.

python scripts/screenshots.py report runs/blue_marble/reports/<run>
python scripts/screenshots.py classes DIR/runs/textures/reports/<run>  # of benchmarks.textures
python scripts/screenshots.py serve http://127.0.0.1:8501 runs/blue_marble/sample/images/<tile>.png
python scripts/screenshots.py airflow http://127.0.0.1:8080/dags/blue_marble/grid
"""

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

_DOCS = Path(__file__).parents[1] / "docs"
_SCREENS = {
    "report.png": ({"width": 1200, "height": 1400}, 1),
    "report_phone.png": ({"width": 390, "height": 844}, 2),
}
_SERVE_SCREENS = {
    "serve.png": ({"width": 1100, "height": 900}, 1),
    "serve_phone.png": ({"width": 390, "height": 844}, 2),
}


def main() -> None:
    """Takes screenshots of a report, or of a running local server or Airflow."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    pages = parser.add_subparsers(required=True)
    report = pages.add_parser("report")
    report.add_argument("folder", type=Path)
    report.set_defaults(take=lambda browser, arguments: _report(browser, arguments.folder))
    classes = pages.add_parser("classes")
    classes.add_argument("folder", type=Path)
    classes.set_defaults(take=lambda browser, arguments: _classes(browser, arguments.folder))
    serve = pages.add_parser("serve")
    serve.add_argument("url")
    serve.add_argument("image", type=Path)
    serve.add_argument("--out", type=Path, default=_DOCS)
    serve.add_argument("--scheme", choices=("light", "dark"), default="light")
    serve.set_defaults(take=_serve)
    airflow = pages.add_parser("airflow")
    airflow.add_argument("url", help="With AUTH_ROLE_PUBLIC = 'Admin', Airflow needs no login.")
    airflow.set_defaults(take=lambda browser, arguments: _airflow(browser, arguments.url))
    arguments = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        arguments.take(browser, arguments)
        browser.close()


def _report(browser: Browser, folder: Path) -> None:
    """Takes screenshots of a report: the top on a desktop, and the gallery on a phone."""
    for name, (viewport, scale) in _SCREENS.items():
        page = browser.new_page(viewport=viewport, device_scale_factor=scale)
        page.goto((folder.absolute() / "index.html").as_uri())
        if name == "report_phone.png":
            first = page.get_by_role("heading", name="Cost the mean IoU most")
            first.evaluate("heading => { heading.scrollIntoView(); scrollBy(0, -150); }")
        page.wait_for_timeout(500)
        page.screenshot(path=_DOCS / name)


def _classes(browser: Browser, folder: Path) -> None:
    """Takes a screenshot of the classes and confusions in a report of many classes."""
    page = browser.new_page(viewport={"width": 1200, "height": 2050})
    page.goto((folder.absolute() / "index.html").as_uri())
    page.locator("#classes").evaluate("heading => { heading.scrollIntoView(); scrollBy(0, -30); }")
    page.wait_for_timeout(500)
    page.screenshot(path=_DOCS / "report_classes.png")


def _serve(browser: Browser, arguments: argparse.Namespace) -> None:
    """Takes screenshots of the web page with an image and its mask, on a desktop and on a phone."""
    for name, (viewport, scale) in _SERVE_SCREENS.items():
        page = browser.new_page(
            viewport=viewport,
            device_scale_factor=scale,
            color_scheme=arguments.scheme,
            is_mobile=scale == 2,
            has_touch=scale == 2,
        )
        page.goto(arguments.url)
        page.locator("#file").set_input_files(arguments.image)
        page.locator("#result").wait_for(timeout=120_000)
        page.screenshot(path=arguments.out / name, full_page=scale == 2)


def _airflow(browser: Browser, url: str) -> None:
    """Takes a screenshot of the runs and tasks of the DAG, or of the view that the URL selects."""
    page = browser.new_page(viewport={"width": 1400, "height": 640})
    page.goto(url)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(3000)  # Airflow draws the bars after it has loaded the data
    page.screenshot(path=_DOCS / "airflow.png")


if __name__ == "__main__":
    main()
