"""Names that attack HTML pages, and what axe-core finds on a page."""

from axe_playwright_python.sync_playwright import Axe

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
HOSTILE = (
    "'\"><img src=x onerror=console.log(1)><script>console.log(2)</script>{{7*7}}</script>"
    f"\x1b\n\u202e{'long' * 50}"
)
"""Name whose scripts would write to the console, or load a file, if the page executed them."""


def serious_findings(page):
    """Returns the serious and critical findings of axe-core, with the elements concerned."""
    return [
        (finding["id"], finding["help"], [node["html"][:300] for node in finding["nodes"][:5]])
        for finding in Axe().run(page).response["violations"]
        if finding["impact"] in ("serious", "critical")
    ]


def fits(page):
    """Returns whether nothing extends beyond the right edge of the window."""
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def hidden_numbers(page):
    """Returns the headings of the rows whose first number is right of the edge of the window."""
    return page.evaluate(
        """[...document.querySelectorAll("tr:has(> th[scope=row] + td)")]
        .filter(row => row.checkVisibility()
            && row.cells[1].getBoundingClientRect().right > window.innerWidth)
        .map(row => row.cells[0].innerText)"""
    )
