"""The page at `/`, in a browser."""

import io
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from serving.card.files import pushed_card_files
from serving.model.export import export_saved_model
from serving.palette import colour
from serving.server.limits import Limits
from tests.cards import make_card
from tests.pages import DESKTOP, HOSTILE, PHONE, fits, serious_findings
from tests.serving.conftest import VIEW

pytestmark = pytest.mark.slow
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


@pytest.fixture(scope="module")
def server(start, push, limited_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page") / "discs"
    push(limited_model(20_000), folder, 7)
    running = start(folder, limits=Limits(body=200_000))
    running.wait(7)
    running.version = folder / "7"
    return running


@pytest.fixture
def cards(server):
    """Gives the served version a card with hostile texts; afterwards, takes it away."""
    paths = []
    for path, text in pushed_card_files(make_card(HOSTILE)).items():
        paths.append(server.version / path)
        paths[-1].write_text(text)
    yield
    for path in paths:
        path.unlink()


@pytest.fixture
def opened(browser, server):
    """Opens the page; checks at the end that it contacted no other server and logged no error."""
    pages = []

    def opened(viewport=DESKTOP, **options):
        page = browser.new_page(viewport=viewport, **options)
        requests, errors = [], []
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(server.rest)
        pages.append((page, requests, errors))
        return page

    yield opened
    for page, requests, errors in pages:
        page.close()
        assert errors == []
        assert all(url.startswith((server.rest, "data:", "blob:")) for url in requests)


def choose(page, content, name="photo.png", kind="image/png"):
    file = {"name": name, "mimeType": kind, "buffer": content}
    page.locator("#file").set_input_files(file)


def shares(page):
    page.locator("#result").wait_for()
    rows = page.locator("#classes tr").all_inner_texts()
    return [re.sub(r"\s+", " ", row).strip() for row in rows]


def pixel(page, x, y, canvas="mask"):
    """Returns the RGBA of a canvas pixel; x and y are shares of width and height."""
    return page.evaluate(
        """([id, x, y]) => {
            const canvas = document.getElementById(id);
            const [column, row] = [Math.floor(x * canvas.width), Math.floor(y * canvas.height)];
            const pixel = new OffscreenCanvas(1, 1).getContext("2d");
            pixel.drawImage(canvas, -column, -row);
            return [...pixel.getImageData(0, 0, 1, 1).data];
        }""",
        [canvas, x, y],
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_an_image_and_its_mask(opened, picture, viewport, scheme):
    page = opened(viewport, color_scheme=scheme)
    page.get_by_role("heading", name="discs").wait_for()
    assert page.get_by_text("Use TF Serving in production").is_visible()
    choose(page, picture(60, 90, RED, GREEN))
    assert shares(page) == ["red 50.0%", "green 50.0%", "blue 0.0%"]
    assert re.search(r"Confidence 9\d\.\d%", page.locator("#confidence").inner_text())
    page.get_by_text("90×60 pixels").wait_for()
    for x, class_id in ((0.2, 0), (0.8, 1)):
        assert tuple(pixel(page, x, 0.5)[:3]) == colour(class_id)
    assert pixel(page, 0.2, 0.5, "image") == [*RED, 255]
    assert fits(page)
    assert serious_findings(page) == []
    image, mask = (page.locator(f"#{name}").bounding_box() for name in ("image", "mask"))
    assert image == pytest.approx(mask, abs=1)
    assert image["width"] / image["height"] == pytest.approx(1.5, abs=0.02)


def test_a_name_cannot_change_the_page(opened, picture):
    page = opened(PHONE)
    choose(page, picture(10, 10, BLUE), HOSTILE)
    shares(page)
    assert fits(page)
    assert serious_findings(page) == []
    choose(page, b"no image", HOSTILE)
    page.get_by_role("alert").wait_for()
    assert fits(page)
    assert serious_findings(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_model_card_is_readable_and_its_texts_change_nothing(opened, cards, viewport, scheme):
    page = opened(viewport, color_scheme=scheme)
    page.get_by_text("Model card").click()
    page.get_by_role("heading", name="Intended use").wait_for()
    assert page.get_by_role("cell", name="40 ms").is_visible()
    assert page.locator("#card").inner_text().count("onerror=console.log(1)") > 10
    assert fits(page)
    assert serious_findings(page) == []


def test_a_version_without_a_card_has_no_section(opened):
    page = opened()
    page.get_by_role("heading", name="discs").wait_for()
    assert page.locator("#about").is_hidden()


def test_an_image_that_is_dropped(opened, picture):
    page = opened()
    page.evaluate(
        """(bytes) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "drop.png", { type: "image/png" }));
            const event = (kind) => new DragEvent(
                kind, { dataTransfer: data, bubbles: true, cancelable: true });
            document.querySelector("main").dispatchEvent(event("dragover"));
            document.querySelector("main").dispatchEvent(event("drop"));
        }""",
        list(picture(10, 10, BLUE)),
    )
    assert shares(page) == ["red 0.0%", "green 0.0%", "blue 100.0%"]
    assert page.get_by_role("heading", name="drop.png").is_visible()


def test_by_keyboard_alone(opened, picture):
    page = opened()
    # Listen before the first key: the file chooser may open at once.
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "file"
        page.keyboard.press("Space")
    chooser.value.set_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": picture(60, 90, RED, GREEN)}
    )
    shares(page)
    opacity = page.locator("#mask").evaluate("(mask) => +mask.style.opacity")
    page.keyboard.press("Tab")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    after = page.locator("#mask").evaluate("(mask) => +mask.style.opacity")
    assert after == pytest.approx(opacity + 0.05)
    seen = {tuple(pixel(page, 0.6 + x / 1000, 0.5)) for x in range(30)}
    assert len(seen) == 2  # green has stripes
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert {tuple(pixel(page, 0.6 + x / 1000, 0.5)) for x in range(30)} == {(*colour(1), 255)}
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert pixel(page, 0.2, 0.5)[3] == 0  # red is hidden
    assert pixel(page, 0.8, 0.5)[3] == 255


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_an_image_is_turned_as_the_browser_shows_it(opened, picture, kind):
    """The EXIF orientation says that the left side is the top."""
    exif = Image.Exif()
    exif[0x0112] = 6
    page = opened()
    content = picture(60, 90, RED, GREEN, kind=kind, exif=exif, quality=95)
    choose(page, content, f"turned.{kind.lower()}", f"image/{kind.lower()}")
    shares(page)
    width, height = page.locator("#image").evaluate("(canvas) => [canvas.width, canvas.height]")
    rotated = height > width
    assert rotated or kind != "JPEG"  # not every browser applies EXIF orientation in other formats
    top, bottom = ((0.5, 0.2), (0.5, 0.8)) if rotated else ((0.2, 0.5), (0.8, 0.5))
    assert tuple(pixel(page, *top)[:3]) == colour(0)
    assert tuple(pixel(page, *bottom)[:3]) == colour(1)
    assert pixel(page, *top, "image")[0] > 200


def test_the_mask_can_be_saved(opened, picture):
    page = opened()
    choose(page, picture(6, 9, RED, GREEN), "my photo.png")
    shares(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Save the mask").click()
    assert download.value.suggested_filename == "my photo_mask.png"
    saved = np.asarray(Image.open(io.BytesIO(download.value.path().read_bytes())))
    np.testing.assert_array_equal(saved, 6 * [[0, 0, 0, 0, 1, 1, 1, 1, 1]])


def test_pixels_of_low_confidence_can_be_left_undecided(browser, start, push, network, tmp_path):
    """The left half is red; the right half is grey, of which the model is not sure."""
    model, folder = tmp_path / "model", tmp_path / "discs"
    export_saved_model(
        network, str(model), classes=["red", "green", "blue"], view=VIEW, confidence_map=True
    )
    push(model, folder, 7)
    running = start(folder)
    running.wait(7)
    page = browser.new_page(viewport=PHONE)
    errors = []
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(running.rest)
    pixels = np.full((60, 90, 3), 120, np.uint8)
    pixels[:, :45] = RED
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    choose(page, buffer.getvalue())
    before = shares(page)
    assert page.locator("#undecided").is_hidden()
    page.locator("#threshold").fill("80")
    page.locator("#undecided").wait_for()
    undecided = float(page.locator("#undecided td").inner_text().rstrip("%"))
    assert 45 < undecided < 55
    assert before[0] != shares(page)[0]
    assert tuple(pixel(page, 0.8, 0.5)[:3]) == (128, 128, 128)
    assert tuple(pixel(page, 0.2, 0.5)[:3]) == colour(0)
    assert fits(page)
    assert serious_findings(page) == []
    with page.expect_download() as download:
        page.get_by_role("link", name="Save the mask").click()
    saved = Image.open(io.BytesIO(download.value.path().read_bytes()))
    assert (saved.mode, saved.size) == ("L", (90, 60))
    ids = np.asarray(saved)
    assert set(np.unique(ids)) <= {0, 1, 2, 255}
    assert (ids[:, :40] == 0).all()
    assert (ids[:, 50:] == 255).all()
    assert errors == []
    page.close()


def test_what_is_wrong_is_said_and_the_next_image_works(opened, picture):
    page = opened()
    noisy = picture(10, 10) + bytes(300_000)
    for content, message in (
        (b"no image", "this browser cannot read it as an image"),
        (picture(100, 201), "201×100 pixels, more than the 20000"),
        (noisy, "too large for this server"),
    ):
        choose(page, content)
        page.get_by_role("alert").filter(has_text=message).wait_for()
        assert page.locator("#result").is_hidden()
    choose(page, picture(10, 10))
    assert shares(page)[0] == "red 100.0%"
    page.get_by_role("alert").wait_for(state="hidden")


def test_what_the_server_says_is_shown(browser, start, tmp_path):
    """Not with `opened`: without a version, the browser logs the failed request in its console."""
    running = start(tmp_path / "none")
    page = browser.new_page()
    page.goto(running.rest)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("No version of discs is served yet")
    running.stop()
    choose(page, b"x")
    expect(alert).to_contain_text("cannot read it")
    assert page.locator("#result").is_hidden()
    page.close()
