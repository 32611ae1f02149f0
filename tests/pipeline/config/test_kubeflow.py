import pytest

from pipeline.config.kubeflow import Claim, KubeflowConfig
from tests.pipeline.conftest import changed


@pytest.mark.parametrize("name", ["cpu", "memory"])
def test_a_request_is_within_its_limit(load, problems, name):
    trainer = {f"{name}_request": 4.0, f"{name}_limit": 4.0}
    kubeflow = {"image": "unetfx:1", "trainer": trainer}
    assert load(changed(kubeflow=kubeflow)).kubeflow.trainer.model_dump(include=set(trainer)) == (
        trainer
    )
    trainer[f"{name}_limit"] = 2.0
    assert problems(changed(kubeflow=kubeflow)) == [
        f"kubeflow.trainer: {name}_request: 4 is above {name}_limit: 2"
    ]


def test_an_image_has_a_name(problems):
    (line,) = problems(changed(kubeflow={"image": "a b"}))
    assert line.startswith("kubeflow.image: ")


def test_a_step_has_its_own_resources_or_the_default_ones():
    kubeflow = KubeflowConfig.model_validate(
        {
            "image": "unetfx:1",
            "trainer": {"retries": 3},
            "steps": {"default": {"cpu_limit": 1.0}, "Evaluator": {"memory_limit": 4.0}},
        }
    )
    assert kubeflow.step("Tuner").retries == 3
    assert kubeflow.step("Evaluator").model_dump(exclude_defaults=True) == {"memory_limit": 4.0}
    assert kubeflow.step("Report").cpu_limit == 1
    assert KubeflowConfig(image="unetfx:1").step("Report").cpu_limit is None


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"steps": {"Trainer": {}}}, "kubeflow.steps.Trainer"),
        ({"claims": [{"name": "A", "path": "/data"}]}, "kubeflow.claims.0.name"),
        ({"claims": [{"name": "a", "path": "data"}]}, "kubeflow.claims.0.path"),
        (
            {"claims": [{"name": "a", "path": "/gcs/data"}]},
            "kubeflow.claims.0.path: /gcs/data is in /gcs, which Kubeflow Pipelines uses",
        ),
        (
            {"claims": [{"name": "a", "path": "/a"}, {"name": "a", "path": "/b"}]},
            "kubeflow.claims: several claims have the name a",
        ),
        (
            {"claims": [{"name": "a", "path": "/a"}, {"name": "b", "path": "/a"}]},
            "kubeflow.claims: several claims have the path /a",
        ),
        ({"pipeline_root": "hdfs://host/a"}, "kubeflow.pipeline_root"),
    ],
)
def test_a_wrong_section_is_one_line(problems, section, message):
    (line,) = problems(changed(kubeflow={"image": "unetfx:1"} | section))
    assert line.startswith(message)


def test_a_claim_has_the_name_of_a_volume():
    assert Claim(name="a" * 63, path="/data").name
    with pytest.raises(ValueError, match="String should match"):
        Claim(name="a" * 64, path="/data")
