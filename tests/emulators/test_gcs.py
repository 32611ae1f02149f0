"""The emulator behaves like Google Cloud Storage for the clients that unetfx uses."""

import ssl

import httpx
import pytest

from tests.emulators.gcs_proxy import DENIED_BUCKET


@pytest.fixture
def gfile(gs_folder):
    import tensorflow as tf

    return tf.io.gfile


@pytest.mark.parametrize("size", [0, 1, 20_000_000])
def test_tensorflow_reads_what_it_writes(gfile, gs_folder, size):
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    with gfile.GFile(f"{gs_folder}/a/x.bin", "wb") as file:
        file.write(content)
    assert gfile.GFile(f"{gs_folder}/a/x.bin", "rb").read() == content
    assert gfile.stat(f"{gs_folder}/a/x.bin").length == size


def test_tensorflow_lists_renames_and_removes(gfile, gs_folder):
    gfile.makedirs(f"{gs_folder}/a/b")
    for name in ("ä +?.txt", "b/1.txt"):
        with gfile.GFile(f"{gs_folder}/a/{name}", "w") as file:
            file.write(name)
    assert sorted(gfile.listdir(f"{gs_folder}/a")) == ["b/", "ä +?.txt"]
    gfile.rename(f"{gs_folder}/a/b/1.txt", f"{gs_folder}/a/2.txt")
    assert sorted(gfile.glob(f"{gs_folder}/a/*")) == [
        f"{gs_folder}/a/{name}" for name in ("2.txt", "b", "ä +?.txt")
    ]
    gfile.rmtree(f"{gs_folder}/a")
    assert not gfile.exists(f"{gs_folder}/a")


def test_tensorflow_continues_a_tfrecord_file_in_pieces(gfile, gs_folder):
    import tensorflow as tf

    records = [bytes([number]) * 100_000 for number in range(30)]
    with tf.io.TFRecordWriter(f"{gs_folder}/x.gz", "GZIP") as writer:
        for record in records:
            writer.write(record)
    read = tf.data.TFRecordDataset(f"{gs_folder}/x.gz", "GZIP")
    assert list(read.as_numpy_iterator()) == records


def test_beam_copies_and_removes_in_batches(gs_folder):
    from apache_beam.io.filesystems import FileSystems

    paths = [f"{gs_folder}/{number}.txt" for number in range(3)]
    for path in paths:
        with FileSystems.create(path) as file:
            file.write(path.encode())
    FileSystems.rename(paths[:2], [f"{gs_folder}/new/{number}" for number in range(2)])
    (found,) = FileSystems.match([f"{gs_folder}/**"])
    assert sorted(data.path for data in found.metadata_list) == [
        paths[2],
        f"{gs_folder}/new/0",
        f"{gs_folder}/new/1",
    ]
    assert FileSystems.open(f"{gs_folder}/new/1").read() == paths[1].encode()
    FileSystems.delete([f"{gs_folder}/"])
    assert not FileSystems.exists(paths[2])


def test_access_needs_the_right_token_and_permission(gcs):
    environment = gcs.environment
    verified = ssl.create_default_context(cafile=environment["CURL_CA_BUNDLE"])
    with httpx.Client(proxy=environment["https_proxy"], verify=verified) as client:
        objects = "https://www.googleapis.com/storage/v1/b/{}/o"
        assert client.get(objects.format("bucket")).status_code == 401
        token = client.post("https://oauth2.googleapis.com/token").json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        assert client.get(objects.format("bucket")).status_code == 200
        assert client.get(objects.format("nowhere")).status_code == 404
        assert client.get(objects.format(DENIED_BUCKET)).status_code == 403
        with pytest.raises(httpx.ProxyError):
            client.get("https://example.com")
