import apache_beam as beam

from components.example_gen.batches import WriteShards, write_batches
from data.examples.shards import Shard
from tests.components.example_gen.conftest import BEAM, KEYS, settings_of, write_pair, write_pairs


def test_beam_counts_good_and_bad_pairs_and_files_without_a_pair(tmp_path):
    folder = write_pairs(tmp_path / "data", KEYS)
    write_pair(folder, "a/0", mask_size=(5, 4))
    (folder / "masks/b/0.png").unlink()
    (folder / "images/b/1.png").unlink()
    settings = settings_of(folder)
    pairs, problems, _ = settings.find_pairs()
    pipeline = beam.Pipeline(argv=BEAM)
    shard = Shard(str(tmp_path / "out" / "shard.gz"), pairs)
    files = write_batches([shard], str(tmp_path / "scratch"))
    _ = pipeline | beam.Create(files) | WriteShards(settings.data, files_without_pair=len(problems))
    result = pipeline.run()
    result.wait_until_finish()
    counters = {
        counter.key.metric.name: counter.committed
        for counter in result.metrics().query()["counters"]
        if counter.key.metric.namespace == "unetfx"
    }
    assert counters == {"pairs_read": len(KEYS) - 3, "pairs_bad": 1, "files_without_pair": 2}
