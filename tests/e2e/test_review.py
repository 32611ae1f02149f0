"""The report, the other pages, and the decisions of people about models."""

import contextlib
import io
import json
import re
from typing import Any, NamedTuple

import pytest
import yaml

from pipeline.execution.local_run import run_pipeline
from pipeline.exit_codes import DONE, NOT_BLESSED
from tests.pages import DESKTOP, PHONE, fits, serious_findings

pytestmark = pytest.mark.slow


class Reviewed(NamedTuple):
    """A project after two runs.

    Attributes:
      project: The project.
      runs: Ids of the runs, the older first: its model is blessed, the other one is below a floor.
    """

    project: Any
    runs: list[str]

    def folder(self, number):
        return self.project.home / "reports" / self.runs[number].replace(":", "-")


@pytest.fixture(scope="module")
def reviewed(make_project_in, tmp_path_factory):
    project = make_project_in(tmp_path_factory.mktemp("reviewed"))
    config = yaml.safe_load(project.config.read_text())
    config["data"]["splits"] = {"train": 2, "val": 1, "test": 3}
    config["evaluation"] = {"slices": ["image/height"]}
    config["gate"] = {"mean_iou": 0.5, "class_iou": {"disc": 0.3}, "min_pixels": 10}
    project.config.write_text(yaml.safe_dump(config))
    with contextlib.redirect_stdout(io.StringIO()):
        assert run_pipeline(project.config) == DONE
        config["training"] |= {"epochs": 1}
        config["gate"] |= {"floors": {"mean_dice": 0.999}, "max_drop": 0.01}
        project.config.write_text(yaml.safe_dump(config))
        assert run_pipeline(project.config) == NOT_BLESSED
    folders = sorted(path.parent.name for path in project.home.glob("reports/*/index.html"))
    runs = [re.sub(r"T(\d+)-(\d+)-", r"T\1:\2:", name) for name in folders]
    return Reviewed(project, runs)


def test_metrics_json_has_the_metrics_and_the_verdict(reviewed):
    first, second = (
        json.loads((reviewed.folder(number) / "metrics.json").read_text()) for number in (0, 1)
    )
    assert first["blessed"]
    assert not second["blessed"]
    assert first["baseline"] == {}
    assert second["baseline"] == pytest.approx(first["metrics"])
    assert {rule["kind"] for rule in second["rules"]} == {"floor", "drop"}
    assert second["reasons"]
    assert sum(map(sum, first["confusion_matrix"])) == first["images"] * 64 * 64
    assert first["slices"]["image/height=64"]["images"] == first["images"]


def test_the_masks_of_val_and_test_were_compared_with_the_model(reviewed):
    contents = json.loads((reviewed.folder(1) / "report.json").read_text())
    images = {split["name"]: split["images"] for split in contents["splits"]}
    masks = contents["wrong_masks"]
    assert masks["scored"] == images["val"] + images["test"]
    assert len(masks["cards"]) == min(masks["contradicted"], 20)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_report_opens_from_disk_on_any_screen(reviewed, opened, viewport, scheme):
    page = opened(reviewed.folder(1) / "index.html", viewport, color_scheme=scheme)
    assert page.get_by_role("heading", name="Not blessed").is_visible()
    # On a phone, wide tables scroll, but the page does not.
    assert fits(page)
    for image in page.locator("article img").all():
        image.scroll_into_view_if_needed()
    page.wait_for_function("[...document.images].every((image) => image.naturalWidth > 0)")
    assert serious_findings(page) == []


def test_the_verdict_comes_first_with_a_row_for_each_rule(reviewed, opened):
    page = opened(reviewed.folder(1) / "index.html")
    assert page.locator("section").first.get_by_text("Not blessed").is_visible()
    rows = page.locator(".rules tbody tr, .rules > tr").all_inner_texts()
    metrics = json.loads((reviewed.folder(1) / "metrics.json").read_text())
    assert len(rows) == len(metrics["rules"])
    assert any("mean dice" in row and "at least 0.999" in row and "no" in row for row in rows)
    assert any("falls at most 0.010" in row for row in rows)


def test_layers_can_be_switched_with_the_keyboard(reviewed, opened):
    page = opened(reviewed.folder(0) / "index.html")
    for layer, visible in (
        ("image", True),
        ("truth", True),
        ("prediction", True),
        ("errors", False),
    ):
        picture = page.locator(f"article img.{layer}").first
        assert picture.is_visible() is visible
        page.get_by_role("checkbox", name=layer).focus()
        page.keyboard.press("Space")
        assert picture.is_visible() is not visible


def test_images_can_be_filtered_by_class(reviewed, opened):
    page = opened(reviewed.folder(0) / "index.html")
    cards = page.locator("article")
    count = cards.count()
    assert count >= 6
    page.get_by_role("combobox", name="Class").select_option("disc")
    visible = [card for card in cards.all() if card.is_visible()]
    assert 0 < len(visible) <= count
    for card in visible:
        assert "1" in card.get_attribute("data-classes").split()
    page.get_by_role("combobox", name="Class").select_option("all")
    assert all(card.is_visible() for card in cards.all())


def test_pictures_can_be_enlarged(reviewed, opened):
    page = opened(reviewed.folder(0) / "index.html")
    stack = page.locator(".stack").first
    width = stack.bounding_box()["width"]
    page.get_by_role("combobox", name="Size").select_option("large")
    assert stack.bounding_box()["width"] > 1.5 * width


def test_one_page_lists_all_runs(reviewed, opened):
    page = opened(reviewed.project.home / "reports/index.html")
    for run in reviewed.runs:
        assert page.get_by_role("link", name=run).is_visible()
    page.get_by_role("link", name=reviewed.runs[0]).click()
    assert page.get_by_role("heading", name="Blessed: this model may be pushed.").is_visible()


def test_two_runs_are_compared_on_one_page(reviewed, opened, run_command, tmp_path):
    first, second = reviewed.runs
    code, output = run_command(
        "unetfx", "review", second, "--compare", first, "--config", reviewed.project.config
    )
    assert code == 0, output
    (path,) = reviewed.project.home.glob("reports/compare-*.html")
    assert output.strip() == str(path)
    page = opened(path, PHONE)
    worse = page.get_by_role("heading", name=re.compile("Where it got worse"))
    better = page.get_by_role("heading", name=re.compile("Where it got better"))
    counts = [int(re.search(r": (\d+) of", part.inner_text())[1]) for part in (worse, better)]
    images = json.loads((reviewed.folder(0) / "metrics.json").read_text())["images"]
    assert counts[0] > counts[1]
    assert sum(counts) <= images
    assert fits(page)
    # Each card shows the truth and the predictions of both models.
    card = page.locator("article").first
    assert card.locator("img.prediction").count() == 2
    for image in page.locator("article img").all():
        image.scroll_into_view_if_needed()
    page.wait_for_function("[...document.images].every((image) => image.naturalWidth > 0)")
    assert not card.locator("img.errors").first.is_visible()
    page.get_by_role("checkbox", name="errors").check()
    assert card.locator("img.errors").first.is_visible()
    with path.with_suffix(".csv").open() as file:
        assert len(file.readlines()) == 1 + images


def test_review_prints_the_path_of_a_report(reviewed, run_command):
    code, output = run_command("unetfx", "review", "--config", reviewed.project.config)
    assert (code, output.strip()) == (0, str(reviewed.folder(1) / "index.html"))
    code, output = run_command("unetfx", "review", "1999", "--config", reviewed.project.config)
    assert code == 2
    assert "1999: no run with this ID has a report" in output
    assert reviewed.runs[0] in output


def test_a_person_can_override_the_gate(reviewed, run_command, opened):
    """Blesses and pushes the second model, goes back to the first, and withdraws the blessing."""
    first, second = reviewed.runs
    config = ("--config", reviewed.project.config)
    versions = reviewed.project.versions()
    refused = run_command("unetfx", "push", second, *config)
    assert refused.code == 2
    assert "the model of this run is not blessed" in refused.output
    assert reviewed.project.versions() == versions
    without_reason = run_command("unetfx", "bless", second, "--why", " ", *config)
    assert (without_reason.code, "--why" in without_reason.output) == (2, True)

    blessed = run_command("unetfx", "bless", second, "--why", "the floor is wrong", *config)
    assert blessed.code == 0, blessed.output
    assert "blessed it" in blessed.output
    assert f"unetfx push {second}" in blessed.output
    pushed = run_command("unetfx", "push", second, *config)
    assert pushed.code == 0, pushed.output
    restored = run_command("unetfx", "push", first, *config)
    assert restored.code == 0, restored.output
    assert len(reviewed.project.versions()) == len(versions) + 2
    newest = reviewed.project.home / "serving/discs" / reviewed.project.versions()[-1]
    weights = "variables/variables.data-00000-of-00001"
    oldest = reviewed.project.home / "serving/discs" / versions[0]
    assert (newest / weights).read_bytes() == (oldest / weights).read_bytes()
    page = opened(reviewed.folder(1) / "index.html")
    assert page.get_by_text("the floor is wrong").is_visible()

    withdrawn = run_command("unetfx", "unbless", second, "--why", "a mistake", *config)
    assert withdrawn.code == 0, withdrawn.output
    assert "still served" in withdrawn.output
    listed = run_command("unetfx", "runs", *config).output
    assert re.search(rf"{second} .* no, by ", listed)
    assert re.search(rf"{first} .* yes +{newest.name}", listed)
    again = run_command("unetfx", "run", *config)
    assert "Nothing new" in again.output
