"""Memory: flat in the number of images, and bounded in their size."""

import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.slow
_GIB = 2**20  # in KiB, as Linux counts the most that a process had in memory


def test_a_large_image_among_small_ones_stays_within_3_gib(tmp_path):
    script = """
        import json, sys
        from pathlib import Path
        import keras, numpy as np, tensorflow as tf
        from PIL import Image
        from tfx.types import standard_artifacts
        from components.evaluator.component import EvaluatorSettings, Executor
        from components.evaluator.config import EvaluationConfig, GateConfig
        from components.evaluator.results import read_evaluation
        from data.config import DataConfig, ResizeView
        from data.examples import make_example
        from data.pairs import Pair
        from data.reading import read_pair
        from serving.graph import export_saved_model

        folder, classes = Path(sys.argv[1]), ["a", "b", "c"]
        view = ResizeView(kind="resize", height=64, width=64)
        images = keras.Input((None, None, 3))
        network = keras.Model(images, keras.layers.Conv2D(3, 1)(images))
        export_saved_model(
            network, str(folder / "model/Format-Serving"), classes=classes, view=view
        )
        data = DataConfig(
            source={"kind": "folder", "path": str(folder)}, classes=classes, view=view.model_dump()
        )
        (folder / "Split-test").mkdir()
        random = np.random.default_rng(0)
        with (
            tf.io.TFRecordWriter(str(folder / "Split-test/data.gz"), "GZIP") as records,
            (folder / "pairs.jsonl").open("w") as rows,
        ):
            for number, size in enumerate([(40, 50)] * 20 + [(3000, 4000)] + [(40, 50)] * 20):
                Image.fromarray(random.integers(0, 256, (*size, 3), np.uint8)).save(
                    folder / "image.png", compress_level=1
                )
                Image.fromarray(random.integers(0, 3, size, np.uint8)).save(folder / "mask.png")
                files = (str(folder / "image.png"), str(folder / "mask.png"))
                read = read_pair(Pair(str(number), *files, str(number), "s", 0, "test"), data)
                records.write(make_example(read, classes).SerializeToString())
                rows.write(json.dumps(read.record.as_row(classes)) + "\\n")
        kinds = {
            "examples": standard_artifacts.Examples,
            "model": standard_artifacts.Model,
            "evaluation": standard_artifacts.ModelEvaluation,
            "blessing": standard_artifacts.ModelBlessing,
        }
        made = {name: [kind()] for name, kind in kinds.items()}
        for name, (artifact,) in made.items():
            artifact.uri = str(folder if name == "examples" else folder / name)
            Path(artifact.uri).mkdir(exist_ok=True)
        made["examples"][0].split_names = '["test"]'
        settings = EvaluatorSettings(
            classes=classes, evaluation=EvaluationConfig(), gate=GateConfig(mean_iou=0), code=""
        )
        Executor(Executor.Context(beam_pipeline_args=["--runner=DirectRunner"])).Do(
            {name: made[name] for name in ("examples", "model")},
            {name: made[name] for name in ("evaluation", "blessing")},
            {"settings": settings.model_dump_json()},
        )
        scores = read_evaluation(made["evaluation"][0].uri).candidate[""]
        assert sum(map(sum, scores.confusion_matrix)) == 40 * 40 * 50 + 3000 * 4000
        # Not getrusage's: that begins with what the process was forked from.
        (peak,) = (line for line in open("/proc/self/status") if line.startswith("VmHWM"))
        print(peak.split()[1])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert int(done.stdout.splitlines()[-1]) < 3 * _GIB
