import pytest

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
