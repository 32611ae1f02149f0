import numpy as np
import pytest
import tensorflow as tf

from data.features import HEIGHT, IMAGE, KEY, MASK, WIDTH, fraction


def _write_examples(path, count, seed, *, classes, size=(16, 16), inverted=False, marked=None):
    def of_bytes(value):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    def png(pixels):
        return of_bytes(tf.io.encode_png(pixels).numpy())

    random = np.random.default_rng(seed)
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for number in range(count):
            class_ids = random.integers(0, 2, size, np.uint8)
            pixels = np.repeat((class_ids * 200)[..., np.newaxis], 3, -1).astype(np.uint8)
            class_ids = 1 - class_ids if inverted else class_ids
            class_ids[:2] = 255
            if number == marked:
                class_ids[0, 0] = classes.index("never")
            features = {IMAGE: png(pixels), MASK: png(class_ids[..., np.newaxis])}
            features[KEY] = of_bytes(f"{path.stem}/{number}".encode())
            for name, length in zip((HEIGHT, WIDTH), size, strict=True):
                features[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=[length]))
            for class_id, name in enumerate(classes):
                share = (class_ids == class_id).sum() / (class_ids != 255).sum()
                floats = tf.train.FloatList(value=[share])
                features[fraction(name)] = tf.train.Feature(float_list=floats)
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())
    return [str(path)]


@pytest.fixture(scope="session")
def write_examples():
    """Writes a TFRecord file: class 1 is bright, class 0 is dark, two rows are to be ignored."""
    return _write_examples
