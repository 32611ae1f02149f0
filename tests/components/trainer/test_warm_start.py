import json

import keras
import ml_metadata as mlmd
import numpy as np
import pytest
from ml_metadata.proto import metadata_store_pb2
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.types import standard_artifacts

from components.trainer.config import PUSHED, ModelConfig, TrainerSettings, TrainingConfig
from components.trainer.warm_start import ModelToStartFrom, base_model_of, take_weights
from data.config import ResizeView
from serving.model.description import DESCRIPTION
from serving.model.export import export_saved_model

CLASSES = ["ground", "disc"]
VIEW = ResizeView(kind="resize", height=32, width=32)


def settings(**training):
    return TrainerSettings(
        classes=CLASSES,
        view=VIEW,
        model=ModelConfig(),
        training=TrainingConfig(warm_start=True, **training),
        code="1",
    ).model_dump_json()


class Pipeline:
    """Trained models in a metadata store."""

    def __init__(self, folder):
        self.folder = folder
        connection = metadata_store_pb2.ConnectionConfig()
        connection.fake_database.SetInParent()
        self.store = mlmd.MetadataStore(connection)
        self.models, self.blessings = {}, []
        execution = metadata_store_pb2.ExecutionType(name="Trainer")
        self.trainer = self.store.put_execution_type(execution)
        self.kinds = {
            name: self.store.put_artifact_type(metadata_store_pb2.ArtifactType(name=name))
            for name in ("Examples", "Model")
        }

    def artifact(self, kind, uri):
        made = metadata_store_pb2.Artifact(type_id=self.kinds[kind], uri=uri)
        (made.id,) = self.store.put_artifacts([made])
        return made.id

    def examples(self):
        return self.artifact("Examples", "nowhere")

    def trained(self, name, examples, settings, *, base=None, classes=CLASSES, blessed=True):
        """Adds a training and its model of this name."""
        uri = self.folder / name
        description = uri / "Format-Serving" / DESCRIPTION
        description.parent.mkdir(parents=True)
        description.write_text(json.dumps({"classes": classes}))
        model = self.artifact("Model", str(uri))
        execution = metadata_store_pb2.Execution(type_id=self.trainer)
        config = json.dumps({"settings": settings})
        execution.custom_properties["custom_config"].string_value = config
        (execution.id,) = self.store.put_executions([execution])
        kinds = metadata_store_pb2.Event
        events = [("examples", examples, kinds.INPUT), ("model", model, kinds.OUTPUT)]
        events += [("base_model", self.models[base].id, kinds.INPUT)] if base else []
        for key, artifact, kind in events:
            event = kinds(type=kind, execution_id=execution.id, artifact_id=artifact)
            event.path.steps.add(key=key)
            self.store.put_events([event])
        self.models[name] = with_id(standard_artifacts.Model(), model)
        self.models[name].uri = str(uri)
        blessing = with_id(standard_artifacts.ModelBlessing(), 1000 + model)
        blessing.set_int_custom_property("current_model_id", model)
        blessing.set_int_custom_property("blessed", int(blessed))
        self.blessings.append(blessing)

    def start(self, examples, settings):
        """Returns a list with the name of the model to start from."""
        given = {
            "examples": [with_id(standard_artifacts.Examples(), examples)],
            "model": list(self.models.values()),
            "model_blessing": self.blessings,
        }
        resolved = ModelToStartFrom(settings).resolve_artifacts(self.store, given)
        assert resolved.keys() == given.keys()
        assert resolved["examples"] == given["examples"]
        return [name for name, model in self.models.items() if model in resolved["model"]]


def with_id(artifact, number):
    artifact.id = number
    return artifact


@pytest.fixture
def pipeline(tmp_path):
    return Pipeline(tmp_path)


class TestWhichModel:
    def test_the_first_training_has_no_base_model(self, pipeline):
        assert pipeline.start(pipeline.examples(), settings()) == []

    def test_new_examples_start_from_the_last_blessed_model(self, pipeline):
        for name, blessed in (("first", True), ("second", True), ("refused", False)):
            pipeline.trained(name, pipeline.examples(), settings(), blessed=blessed)
        assert pipeline.start(pipeline.examples(), settings()) == ["second"]

    def test_new_settings_start_from_the_last_blessed_model(self, pipeline):
        examples = pipeline.examples()
        pipeline.trained("first", examples, settings())
        assert pipeline.start(examples, settings(seed=2)) == ["first"]

    def test_a_training_that_was_done_before_starts_from_the_same_model(self, pipeline):
        old, new = pipeline.examples(), pipeline.examples()
        pipeline.trained("first", old, settings())
        assert pipeline.start(old, settings()) == []
        pipeline.trained("second", new, settings(), base="first")
        pipeline.trained("third", new, settings(seed=2), base="second")
        assert pipeline.start(new, settings()) == ["first"]
        assert pipeline.start(new, settings(seed=2)) == ["second"]
        assert pipeline.start(old, settings()) == []

    def test_it_does_so_even_if_that_model_is_gone_or_no_longer_blessed(self, pipeline):
        examples = pipeline.examples()
        pipeline.trained("first", pipeline.examples(), settings())
        pipeline.trained("second", examples, settings(), base="first")
        remove(pipeline.folder / "first")
        pipeline.blessings[0].set_int_custom_property("blessed", 0)
        assert pipeline.start(examples, settings()) == ["first"]

    def test_a_training_whose_model_is_gone_chooses_anew(self, pipeline):
        examples = pipeline.examples()
        pipeline.trained("first", pipeline.examples(), settings())
        pipeline.trained("second", examples, settings())
        remove(pipeline.folder / "second")
        assert pipeline.start(examples, settings()) == ["first"]

    def test_a_model_of_other_classes_is_skipped(self, pipeline):
        pipeline.trained("first", pipeline.examples(), settings())
        pipeline.trained("other", pipeline.examples(), settings(), classes=["ground", "ring"])
        assert pipeline.start(pipeline.examples(), settings()) == ["first"]


class TestWithoutAResolver:
    @pytest.fixture
    def serving_folder(self, tmp_path):
        """Pushed versions; the newest has other classes, and one is incomplete."""
        for version, classes in (("99", CLASSES), ("100", CLASSES), ("101", ["ground", "cell"])):
            description = tmp_path / version / DESCRIPTION
            description.parent.mkdir(parents=True)
            description.write_text(json.dumps({"classes": classes}))
            (tmp_path / version / "saved_model.pb").touch()
        (tmp_path / "102").mkdir()
        return tmp_path

    def start(self, folder, settings, base_model=None):
        given = FnArgs(base_model=base_model, custom_config={PUSHED: str(folder)})
        return base_model_of(given, TrainerSettings.model_validate_json(settings))

    def test_the_newest_pushed_version_of_the_same_classes_is_used(self, serving_folder):
        assert self.start(serving_folder, settings()) == str(serving_folder / "100")

    def test_nothing_was_pushed_yet(self, tmp_path):
        assert self.start(tmp_path / "nowhere", settings()) is None

    def test_a_cold_start_asks_for_none(self, serving_folder):
        cold = TrainerSettings.model_validate_json(settings())
        cold = cold.model_copy(update={"training": TrainingConfig()})
        assert self.start(serving_folder, cold.model_dump_json()) is None

    def test_a_resolvers_choice_goes_first(self, serving_folder):
        assert self.start(serving_folder, settings(), base_model="chosen") == "chosen"


def remove(model):
    (model / "Format-Serving" / DESCRIPTION).unlink()


def network(channels=4, *, bias=False):
    images = keras.Input((None, None, 3))
    convolution = keras.layers.Conv2D(channels, 3, padding="same", use_bias=bias, name="conv")
    x = keras.layers.BatchNormalization(name="norm")(convolution(images))
    return keras.Model(images, keras.layers.Conv2D(2, 1, name="head")(x))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """An exported model whose weights and statistics differ from a new network, and its network."""
    made = network()
    random = np.random.default_rng(0)
    made.set_weights([random.uniform(0.5, 2, weight.shape) for weight in made.get_weights()])
    path = tmp_path_factory.mktemp("run") / "Trainer/model/7/Format-Serving"
    export_saved_model(made, str(path), classes=CLASSES, view=VIEW)
    return str(path), made


class TestTakingWeights:
    def test_every_weight_is_taken_and_the_statistics_too(self, exported):
        path, source = exported
        taker = network()
        words = "Starts with the weights of the last blessed model, Trainer/model/7."
        assert take_weights(taker, path) == words
        for found, expected in zip(taker.get_weights(), source.get_weights(), strict=True):
            np.testing.assert_array_equal(found, expected)
        assert (taker.get_layer("norm").moving_variance.numpy() != 1).all()

    def test_without_a_model_it_starts_cold(self):
        assert take_weights(network(), None).startswith("Starts cold: no model with these classes")

    def test_a_model_whose_files_are_gone_is_named(self, tmp_path):
        message = take_weights(network(), str(tmp_path / "Trainer/model/3/Format-Serving"))
        assert (
            message
            == "Starts cold: the files of the last blessed model, Trainer/model/3, are missing."
        )

    @pytest.mark.parametrize(
        ("options", "difference"),
        [
            (
                {"channels": 5},
                "its conv/kernel has the shape 3×3×3×4, but this network expects 3×3×3×5",
            ),
            ({"bias": True}, "it has no conv/bias"),
        ],
    )
    def test_another_network_starts_cold_with_the_reason(self, exported, options, difference):
        taker = network(**options)
        before = taker.get_weights()
        assert take_weights(taker, exported[0]) == (
            "Starts cold: the last blessed model, Trainer/model/7, has a different architecture: "
            f"{difference}."
        )
        for found, expected in zip(taker.get_weights(), before, strict=True):
            np.testing.assert_array_equal(found, expected)
