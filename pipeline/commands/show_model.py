"""`unetfx model`: shows the network that a config describes, or the feature maps of a layer."""

import math
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
from PIL import Image
from rich.console import Console
from rich.table import Table

from components.trainer.network.encoder import blocks
from components.trainer.network.inspection import feature_maps, inspect, latency
from components.trainer.network.network import build_network
from components.trainer.training.precision import set_precision
from data.config import ResizeView
from data.errors import InputError
from data.input_pipeline.views import view_image
from data.printable import printable
from data.rasters.images import load_image
from pipeline.config.config import Config
from pipeline.exit_codes import DONE, FAILED

_GAP = 2  # gap between two feature maps, in pixels
_BACKGROUND = 255


def show_model(config: Config) -> int:
    """Prints the network's layers, parameters, FLOPs and latency, and results of sanity checks.

    Args:
      config: The config of the pipeline.

    Returns:
      The exit code: `DONE`, or `FAILED` if a sanity check failed.

    Raises:
      UnetfxError: The encoder's initial weights are unavailable or do not fit the network.
    """
    view = config.data.view
    network = _network(config)
    facts = inspect(network, config.model.encoder, view.height, view.width)
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("layer")
    table.add_column("kind")
    for heading in ("output", "parameters", ""):
        table.add_column(heading, justify="right" if heading else "left")
    for layer in facts.layers:
        # A layer marked "kept" is not frozen, but it contains only the moving statistics of a
        # normalisation layer, which the optimiser does not update.
        state = "learns" if layer.learns else "frozen" if layer.frozen else "kept"
        shape = "×".join(map(str, layer.shape))
        table.add_row(
            layer.name,
            layer.kind,
            shape,
            f"{layer.parameters:,}" if layer.parameters else "",
            state if layer.parameters else "",
        )
    console.print(table)
    encoder = network.get_layer(config.model.encoder)
    console.print(
        f"\nblocks of the encoder: {', '.join(blocks(encoder))}\n"
        f"{facts.parameters:,} parameters: {facts.learning:,} trainable, "
        f"{facts.parameters - facts.learning:,} frozen or moving statistics\n"
        f"{facts.flops / 1e9:.1f} GFLOPs for an image of {view.height}×{view.width} pixels: "
        f"{facts.encoder_flops / 1e9:.1f} in the encoder, "
        f"{(facts.flops - facts.encoder_flops) / 1e9:.1f} in the decoder of width "
        f"{config.model.width:g}\n"
        f"{_latency(network, config)}\n",
        soft_wrap=True,
    )
    for sentence, holds in facts.sane.items():
        console.print(f"{'[green]yes[/]' if holds else '[bold red]NO[/] '} {sentence}")
    return DONE if all(facts.sane.values()) else FAILED


def draw_features(config: Config, layer: str, image: Path, out: Path) -> None:
    """Draws a layer's feature maps for an image, as a grid of greyscale pictures, one per channel.

    Args:
      config: The config of the pipeline.
      layer: Name of the layer, as listed by `unetfx model`.
      image: Path of an image file, in any format that ExampleGen reads.
      out: Path of the PNG file to write.

    Raises:
      UnetfxError: The layer does not exist, the image cannot be read, the PNG file cannot be
        written, or the encoder's initial weights are unavailable or do not fit the network.
    """
    try:
        pixels = load_image(image.read_bytes(), str(image), config.data).pixels
    except OSError as error:
        raise InputError(f"{image}: cannot be read ({error.strerror}).") from error
    view = config.data.view
    network_input = np.asarray(
        view_image(pixels, view) if isinstance(view, ResizeView) else pixels, np.float32
    )
    maps = feature_maps(_network(config), config.model.encoder, layer, network_input)
    try:
        _grid(maps).save(out, "PNG")
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror}).") from error
    height, width, channels = maps.shape
    print(
        f"{printable(layer)}: {channels} feature maps of {height}×{width} pixels in "
        f"{printable(out)}; in each, black is the lowest value and white the highest"
    )


def _network(config: Config) -> keras.Model:
    return build_network(config.model, len(config.data.classes))


def _latency(network: keras.Model, config: Config) -> str:
    set_precision(network, config.serving.precision or config.training.precision)
    milliseconds = latency(network, config.data.view.height, config.data.view.width)
    dtype = network.get_layer("head").compute_dtype
    return f"{milliseconds:.0f} ms for this image on this machine, computed in {dtype}"


def _grid(maps: npt.NDArray[np.float32]) -> Image.Image:
    height, width, channels = maps.shape
    columns = math.ceil(math.sqrt(channels))
    rows = math.ceil(channels / columns)
    lowest, highest = maps.min(axis=(0, 1)), maps.max(axis=(0, 1))
    grey = (maps - lowest) / np.maximum(highest - lowest, 1e-9) * 255
    size = (rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP)
    picture = np.full(size, _BACKGROUND, np.uint8)
    for channel in range(channels):
        row, column = divmod(channel, columns)
        top, left = row * (height + _GAP) + _GAP, column * (width + _GAP) + _GAP
        picture[top : top + height, left : left + width] = grey[..., channel].round()
    return Image.fromarray(picture)
