import re

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from data.errors import InputError
from pipeline.commands.cli import commands


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "discs.yaml"
    path.write_text(f"""
name: discs
workspace: {tmp_path}/runs
data:
  source: {{kind: folder, path: nowhere}}
  classes: [ground, disc]
  view: {{kind: resize, height: 32, width: 64}}
model: {{weights: none, width: 0.02, freeze: [block1]}}
gate: {{mean_iou: 0.6}}
""")
    return str(path)


def run(*arguments):
    return CliRunner().invoke(commands, ["model", *arguments])


def test_the_layers_are_listed(config):
    result = run("--config", config)
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    assert "block1_conv1 Conv2D 32×64×64 1,792 frozen" in lines
    assert "block2_conv1 Conv2D 16×32×128 73,856 learns" in lines
    assert "skip1_norm BatchNormalization 32×64×64 128 kept" in lines
    assert "blocks of the encoder: block1, block2, block3, block4, block5" in lines
    gflops = next(line for line in lines if "GFLOPs for an image of 32×64 pixels" in line)
    whole, encoder, decoder = map(float, re.findall(r"\d+\.\d\b(?!\d)", gflops)[:3])
    assert whole == pytest.approx(encoder + decoder, abs=0.15)
    assert gflops.endswith("in the decoder of width 0.02")
    assert any(re.match(r"\d+ ms for this image on this machine", line) for line in lines)
    assert sum(line.startswith("yes ") for line in lines) == 4


def test_feature_maps_are_drawn(config, tmp_path):
    image, out = str(tmp_path / "image.png"), tmp_path / "maps.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)).save(image)
    result = run("--config", config, "--layer", "block1_pool", "--image", image, "--out", str(out))
    assert result.output.startswith("block1_pool: 64 feature maps of 16×32 pixels")
    picture = np.asarray(Image.open(out))
    assert picture.shape == (8 * (16 + 2) + 2, 8 * (32 + 2) + 2)
    tile = picture[2 : 2 + 16, 2 : 2 + 32]
    assert (tile.min(), tile.max()) == (0, 255)
    assert (picture[:2] == 255).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--layer", "block1_pool"], "belong together"),
        (["--layer", "block1_pool", "--image", "no.png", "--out", "x.png"], "no.png: cannot be"),
    ],
)
def test_a_missing_option_or_file_is_one_line(config, options, words):
    result = run("--config", config, *options)
    assert isinstance(result.exception, InputError)
    assert words in str(result.exception)
    assert "\n" not in str(result.exception)
