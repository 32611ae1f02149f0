import io
import struct
import zlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

from data.config import ResizeView
from data.examples.features import IMAGE, MASK
from serving.model.description import model_max_pixels
from serving.model.export import export_saved_model

HEIGHT, WIDTH = 16, 24  # of the view
CLASSES = ["red", "green", "blue"]
VIEW = ResizeView(kind="resize", height=HEIGHT, width=WIDTH)


@pytest.fixture(scope="module", params=["saved_model", "sliding_model"])
def signatures(request):
    return tf.saved_model.load(str(request.getfixturevalue(request.param))).signatures


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def thirds(height, width):
    """Makes an image of a red, a green and a blue stripe, side by side."""
    stripes = np.arange(width) * 3 // width
    return np.repeat((np.eye(3)[stripes] * 255).astype(np.uint8)[np.newaxis], height, 0)


def encoded(pixels, kind="PNG"):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def serve(signatures, *images):
    answer = signatures["serving_default"](image_bytes=tf.constant(images, tf.string))
    masks = [Image.open(io.BytesIO(mask)) for mask in answer["mask_png_bytes"].numpy()]
    return masks, answer["class_fraction"].numpy(), answer["confidence"].numpy()


def specs(function):
    _, inputs = function.structured_input_signature
    return (
        {name: (spec.dtype.name, spec.shape.as_list()) for name, spec in inputs.items()},
        {
            name: (spec.dtype.name, spec.shape.as_list())
            for name, spec in function.structured_outputs.items()
        },
    )


@pytest.mark.parametrize("model", ["saved_model", "sliding_model"])
def test_the_network_is_stored_once_for_all_signatures(model, request):
    content = (request.getfixturevalue(model) / "saved_model.pb").read_bytes()
    graph = saved_model_pb2.SavedModel.FromString(content).meta_graphs[0].graph_def
    nodes = [node.op for function in graph.library.function for node in function.node_def]
    assert nodes.count("Conv2D") == 1


def test_the_signatures_of_the_contract(signatures):
    assert {name: specs(function) for name, function in signatures.items()} == {
        "serving_default": (
            {"image_bytes": ("string", [None])},
            {
                "mask_png_bytes": ("string", [None]),
                "class_fraction": ("float32", [None, 3]),
                "confidence": ("float32", [None]),
                "image_statistics": ("float32", [None, 9]),
            },
        ),
        "probabilities": (
            {"images": ("uint8", [None, None, None, 3])},
            {"probabilities": ("float32", [None, None, None, 3])},
        ),
        "evaluation": (
            {"examples": ("string", [None])},
            {
                "confusion_matrix": ("int64", [None, 3, 3]),
                "boundary": ("int64", [None, 3, 2]),
                "calibration": ("float64", [None, 15, 3]),
                "raw_calibration": ("float64", [None, 15, 3]),
                "label_quality": ("float32", [None]),
                "label_doubts_png_bytes": ("string", [None]),
            },
        ),
    }


def test_masks_have_each_image_s_own_size_and_classes(signatures):
    images = [thirds(16, 24), thirds(40, 90), thirds(5, 60)]
    masks, fractions, _ = serve(signatures, *map(encoded, images))
    for mask, image, fraction in zip(masks, images, fractions, strict=True):
        assert (mask.format, mask.mode) == ("PNG", "L")
        ids = np.asarray(mask)
        assert ids.shape == image.shape[:2]
        wanted = image.argmax(-1)
        # A resized image may differ only at the two edges between the stripes.
        assert (ids != wanted).mean() <= 4 / image.shape[1]
        np.testing.assert_allclose(fraction, np.bincount(ids.ravel(), minlength=3) / ids.size)


def test_an_image_of_one_pixel(signatures):
    (mask,), fractions, _ = serve(signatures, encoded(np.array([[[0, 255, 0]]], np.uint8)))
    assert np.asarray(mask).tolist() == [[1]]
    assert fractions.tolist() == [[0, 1, 0]]


@pytest.mark.parametrize(
    ("flips", "axes"), [("none", [()]), ("horizontal", [(), 2]), ("both", [(), 2, 1, (1, 2)])]
)
def test_probabilities_are_averaged_over_flips(tmp_path, flips, axes):
    keras.utils.set_random_seed(1)
    images = keras.Input((None, None, 3))
    scaled = keras.layers.Rescaling(1 / 255)(images)
    # Kernels of 4×4 pixels are not symmetric, so each flip gives other probabilities.
    network = keras.Model(images, keras.layers.Conv2D(3, 4, padding="same")(scaled))
    export_saved_model(network, str(tmp_path), classes=CLASSES, view=VIEW, flips=flips)
    served = tf.saved_model.load(str(tmp_path)).signatures["probabilities"]
    image = noise(HEIGHT, WIDTH)[np.newaxis]
    passes = [
        np.flip(tf.nn.softmax(network(np.flip(image, axis).astype(np.float32))), axis)
        for axis in axes
    ]
    found = served(images=tf.constant(image))["probabilities"]
    np.testing.assert_allclose(found, np.mean(passes, axis=0), atol=1e-5)
    if len(axes) > 1:
        assert np.abs(found - passes[0]).max() > 0.1


def test_an_empty_batch_has_an_empty_answer(signatures):
    answer = signatures["serving_default"](image_bytes=tf.constant([], tf.string))
    assert {name: value.shape.as_list() for name, value in answer.items()} == {
        "mask_png_bytes": [0],
        "class_fraction": [0, 3],
        "confidence": [0],
        "image_statistics": [0, 9],
    }


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_every_format_of_the_contract_is_read(signatures, kind):
    blue = np.full((20, 30, 3), (0, 0, 255), np.uint8)
    (mask,), fractions, _ = serve(signatures, encoded(blue, kind))
    assert mask.size == (30, 20)
    assert fractions.tolist() == [[0, 0, 1]]


def test_a_batch_answers_as_its_images_alone(signatures):
    images = [encoded(noise(20, 30, seed)) for seed in range(3)]
    together = serve(signatures, *images)
    for i, image in enumerate(images):
        (mask,), fractions, confidence = serve(signatures, image)
        np.testing.assert_array_equal(np.asarray(mask), np.asarray(together[0][i]))
        np.testing.assert_allclose(fractions[0], together[1][i])
        np.testing.assert_allclose(confidence[0], together[2][i], rtol=1e-5)


def bomb(height, width):
    """Makes a black PNG of any size, compressed to very few bytes."""

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    squeezed = zlib.compressobj(9)
    row = bytes(1 + width // 8 + 1)
    body = b"".join(squeezed.compress(row) for _ in range(height)) + squeezed.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def with_false_head(png):
    """Puts a chunk before IHDR that shows a size of 1×1 where IHDR would have it."""
    body = struct.pack(">II", 1, 1) + bytes(5)
    chunk = b"fAKE" + body
    return (
        png[:8]
        + struct.pack(">I", len(body))
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
        + png[8:]
    )


def with_scans(number):
    """Makes a progressive JPEG with a number of scans, most of which repeat the last one."""
    buffer = io.BytesIO()
    Image.fromarray(noise(16, 16)).save(buffer, "JPEG", progressive=True)
    content = buffer.getvalue()
    last = content.rindex(b"\xff\xda")
    repeated = (number - content.count(b"\xff\xda")) * content[last:-2]
    return content[:-2] + repeated + content[-2:]


DAMAGED = {
    "empty": b"",
    "text": b"no image",
    "a TIFF": encoded(noise(9, 9), "TIFF"),
    "half a PNG": encoded(noise(40, 40))[:1500],
    "half a JPEG": encoded(noise(40, 40), "JPEG")[:700],
    "a BMP": encoded(noise(9, 9), "BMP"),
    "a GIF": encoded(noise(9, 9), "GIF"),
    "a WebP": encoded(noise(9, 9), "WEBP"),
    "a PNG with a chunk before IHDR": with_false_head(encoded(noise(40, 40))),
    "a PNG of negative size": bomb(4, 4).replace(struct.pack(">II", 4, 4), b"\xff" * 8),
    "the head of a PNG": encoded(noise(9, 9))[:20],
    "the head of a JPEG": b"\xff\xd8\xff\xe0",
    "a PNG with a flipped bit": encoded(noise(9, 9))[:100] + b"\0" + encoded(noise(9, 9))[101:],
}


@pytest.mark.parametrize("bad", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_image_in_a_batch_is_named_by_its_position(signatures, bad):
    good = encoded(noise(9, 9))
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        serve(signatures, good, good, bad, good)
    assert "[image_bytes[2]] [is not a PNG or JPEG image, or is damaged]" in str(caught.value)


def test_scans_are_limited(signatures):
    (mask,), *_ = serve(signatures, with_scans(100))
    assert mask.size == (16, 16)
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        serve(signatures, encoded(noise(9, 9)), with_scans(101))
    assert "[image_bytes[1]] [is a JPEG image of more than 100 scans]" in str(caught.value)


def test_all_damaged_images_of_a_batch_are_named(signatures):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"image_bytes\[0\], image_bytes\[2\]"):
        serve(signatures, b"", encoded(noise(9, 9)), b"?")


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_an_oversized_image_is_named_by_its_position(network, kind, tmp_path):
    path = str(tmp_path / "1")
    export_saved_model(network, path, classes=CLASSES, view=VIEW, max_pixels=30 * 20)
    signatures = tf.saved_model.load(path).signatures
    masks, *_ = serve(signatures, encoded(noise(20, 30), kind))
    assert masks[0].size == (30, 20)
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        serve(signatures, encoded(noise(20, 30)), encoded(noise(20, 31), kind))
    assert "[image_bytes[1]] [has more than the 600 pixels" in str(caught.value)
    assert model_max_pixels(path) == 600


def test_an_oversized_image_is_not_decoded(signatures):
    small = bomb(10_000, 10_000)  # 100 megapixels
    assert len(small) < 20_000
    with pytest.raises(tf.errors.InvalidArgumentError, match="more than the 25000000 pixels"):
        serve(signatures, small)


def test_oversized_pixels_are_refused(signatures):
    with pytest.raises(tf.errors.InvalidArgumentError, match="more than the 25000000 pixels"):
        signatures["probabilities"](images=tf.zeros([1, 1, 25_000_001, 3], tf.uint8))


@pytest.mark.parametrize("size", [(16, 24), (33, 47), (8, 8)], ids=str)
def test_the_mask_is_the_greatest_probability(signatures, size):
    image = noise(*size)
    found = signatures["probabilities"](images=tf.constant(image[np.newaxis]))
    probabilities = found["probabilities"].numpy()[0]
    assert probabilities.shape == (*size, 3)
    np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-5)
    (mask,), _, (confidence,) = serve(signatures, encoded(image))
    np.testing.assert_array_equal(np.asarray(mask), probabilities.argmax(-1))
    assert confidence == pytest.approx(probabilities.max(-1).mean(), rel=1e-5)


def test_probabilities_at_the_view_s_size_are_the_softmax_of_the_logits(signatures):
    image = noise(HEIGHT, WIDTH)
    found = signatures["probabilities"](images=tf.constant(image[np.newaxis]))
    exponentials = np.exp(image / 20)
    expected = exponentials / exponentials.sum(-1, keepdims=True)
    np.testing.assert_allclose(found["probabilities"][0], expected, atol=1e-4)


def example(image, class_ids):
    features = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[encoded(pixels)]))
        for name, pixels in ((IMAGE, image), (MASK, class_ids))
    }
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        (encoded(np.zeros((20, 31, 3), np.uint8)), encoded(np.zeros((20, 31), np.uint8))),
        (encoded(np.zeros((2, 3, 3), np.uint8)), encoded(np.zeros((20, 31), np.uint8))),
        (with_false_head(encoded(noise(2, 3))), encoded(np.zeros((2, 3), np.uint8))),
        (with_scans(101), encoded(np.zeros((16, 16), np.uint8))),
        (encoded(noise(2, 3), "GIF"), encoded(np.zeros((2, 3), np.uint8))),
    ],
    ids=["large image", "large mask", "false head", "scans", "GIF"],
)
def test_the_evaluation_refuses_what_serving_refuses(network, image, mask, tmp_path):
    path = str(tmp_path / "1")
    export_saved_model(network, path, classes=CLASSES, view=VIEW, max_pixels=30 * 20)
    features = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[content]))
        for name, content in ((IMAGE, image), (MASK, mask))
    }
    pair = tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
    signature = tf.saved_model.load(path).signatures["evaluation"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="more than the 600 pixels or 100"):
        signature(examples=tf.constant([pair]))


def counts_by_hand(truth, predicted):
    counts = np.zeros((3, 3), np.int64)
    for row, column in zip(truth.ravel(), predicted.ravel(), strict=True):
        if row != 255:
            counts[row, column] += 1
    return counts


def frame(height, width):
    """Returns the outermost pixels of a rectangle in the corner of an image."""
    whole = np.zeros((HEIGHT, WIDTH), bool)
    whole[:height, :width] = True
    whole[1 : height - 1, 1 : width - 1] = False
    return whole


def test_evaluation_of_a_hand_computed_example(signatures):
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[..., 0] = 255
    image[8:] = (0, 255, 0)
    truth = np.zeros((HEIGHT, WIDTH), np.uint8)
    truth[:, 6:] = 1
    truth[:, 20:] = 255
    # Top half, predicted red: 6 columns right, 14 wrong. Bottom half, predicted green: 6 wrong,
    # 14 right.
    expected = np.array([[8 * 6, 8 * 6, 0], [8 * 14, 8 * 14, 0], [0, 0, 0]])
    found = signatures["evaluation"](examples=tf.constant([example(image, truth)]))
    np.testing.assert_array_equal(found["confusion_matrix"][0], expected)
    assert found["calibration"][0].numpy().sum(0)[[0, 2]].tolist() == [320, 160]
    red_in_truth, red_in_prediction = frame(16, 6), frame(8, 20)
    shared = red_in_truth & red_in_prediction
    either = red_in_truth | red_in_prediction
    assert found["boundary"][0, 0].numpy().tolist() == [shared.sum(), either.sum()]


def test_evaluation_counts_what_serving_answers_and_leaves_ignored_pixels_out(signatures):
    images = [noise(20, 30, seed=1), noise(33, 17, seed=2)]
    random = np.random.default_rng(3)
    truths = [random.choice([0, 1, 2, 255], image.shape[:2]).astype(np.uint8) for image in images]
    serialized = [example(*pair) for pair in zip(images, truths, strict=True)]
    found = signatures["evaluation"](examples=tf.constant(serialized))["confusion_matrix"].numpy()
    masks, _, _ = serve(signatures, *map(encoded, images))
    for counts, truth, mask in zip(found, truths, masks, strict=True):
        np.testing.assert_array_equal(counts, counts_by_hand(truth, np.asarray(mask)))


def test_evaluation_of_a_mask_without_labels_is_zero(signatures):
    truth = np.full((20, 30), 255, np.uint8)
    found = signatures["evaluation"](examples=tf.constant([example(noise(20, 30), truth)]))
    assert found.pop("label_quality").numpy() == 1
    (doubts,) = map(tf.io.decode_png, found.pop("label_doubts_png_bytes"))
    assert (doubts.numpy() == (255, 0)).all()
    assert not any(counts.numpy().any() for counts in found.values())
