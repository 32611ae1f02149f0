"""Configures TFX's InfraValidator, which loads the model into a TF Serving server."""

from tfx import v1 as tfx

from serving.config import InfraValidatorConfig


def make_infra_validator(
    config: InfraValidatorConfig, examples: tfx.dsl.Channel, model: tfx.dsl.Channel
) -> tfx.components.InfraValidator:
    """Creates an InfraValidator that starts TF Serving with the model and sends it one example.

    Args:
      config: Platform on which TF Serving runs, and tag of TF Serving's container image.
      examples: Channel with the examples.
      model: Channel with the model.
    """
    protos = tfx.proto
    platforms = {
        "docker": {"local_docker": protos.LocalDockerConfig()},
        "kubernetes": {"kubernetes": protos.KubernetesConfig()},
    }
    return tfx.components.InfraValidator(
        model=model,
        examples=examples,
        serving_spec=protos.ServingSpec(
            tensorflow_serving=protos.TensorFlowServing(tags=[config.image_tag]),
            **platforms[config.platform],
        ),
        # InfraValidator sends serialized examples. Only the `evaluation` signature accepts these.
        request_spec=protos.RequestSpec(
            tensorflow_serving=protos.TensorFlowServingRequestSpec(signature_names=["evaluation"]),
            split_name="test",
            num_examples=1,
        ),
    )
