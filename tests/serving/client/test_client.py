"""Tests of the client that do not depend on the protocol."""

import base64
import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from data.errors import InputError
from serving.client.protocol import ServingError

IMAGES = [b"one", b"two"]


def test_an_answer_to_fewer_images_than_were_sent(client, rest_server):
    with (
        client(rest_server.url) as served,
        pytest.raises(ServingError, match="1 predictions for 2"),
    ):
        served.predict(IMAGES)


def test_other_formats_are_sent_as_png(client, rest_server):
    """A palette BMP would otherwise be decoded as grey numbers."""
    red = Image.new("P", (4, 3), 1)
    red.putpalette([0, 0, 0, 255, 0, 0])
    bmp, png = io.BytesIO(), io.BytesIO()
    red.save(bmp, "BMP")
    red.save(png, "PNG")
    with client(rest_server.url) as served:
        for image in (bmp, png):
            served.predict([image.getvalue()])
        with pytest.raises(InputError, match=r"^image 1: cannot be read as an image \(damaged"):
            served.predict([b"one", bmp.getvalue()[:60]])
    converted, unchanged = (
        base64.b64decode(body["instances"][0]["image_bytes"]["b64"])
        for method, _, body in rest_server.requests
        if method == "POST"
    )
    assert unchanged == png.getvalue()
    sent = Image.open(io.BytesIO(converted))
    assert sent.format == "PNG"
    assert (np.asarray(sent) == (255, 0, 0)).all()


def test_it_needs_no_tensorflow(rest_server):
    code = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "from serving.client import ServingClient\n"
        f"with ServingClient('{rest_server.url}', 'sea', ['ocean', 'land', 'lake']) as client:\n"
        "    print(client.predict([b'x'])[0].class_ids.tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[[0, 1, 2], [0, 0, 0]]", done.stderr


@pytest.mark.parametrize(
    "url", ["localhost:8501", "ftp://host", "http://", "grpc://host:port", "", "http://[::1"]
)
def test_what_is_no_address_is_refused(client, url):
    with pytest.raises(InputError, match="not the address of a server"):
        client(url)


def test_a_version_and_a_label_are_too_much(client):
    with pytest.raises(InputError, match="not both"):
        client("http://host", version=1, label="stable")
