from components.example_gen.artifact import read_examples, read_records


def test_good_pairs_of_a_split_or_all_pairs_are_read(examples):
    assert [record.pair.key for record in read_records(examples, "test")] == ["0", "1", "2", "3"]
    assert list(read_records(examples, "train")) == []
    assert len(list(read_records(examples))) == 4


def test_examples_are_read_in_the_order_of_the_file(examples):
    keys = [
        example.features.feature["image/key"].bytes_list.value[0].decode()
        for example in read_examples(examples.uri, "test")
    ]
    assert keys == ["0", "1", "2", "3"]
    assert list(read_examples(examples.uri, "train")) == []
