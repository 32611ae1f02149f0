import json

from components.example_gen.component import PairsExampleGen
from tests.components.example_gen.conftest import settings_of


def test_the_component_records_the_shares_of_the_splits(tmp_path):
    component = PairsExampleGen(settings_of(tmp_path))
    config = json.loads(component.exec_properties["output_config"])["split_config"]
    assert {split["name"]: split["hash_buckets"] for split in config["splits"]} == {
        "train": 2,
        "val": 1,
        "test": 1,
    }
