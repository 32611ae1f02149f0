"""TFX's InfraValidator, which loads the model in a TF Serving server."""

from tfx import v1 as tfx

from serving.config import InfraValidatorConfig


def make_infra_validator(
    config: InfraValidatorConfig, examples: tfx.dsl.Channel, model: tfx.dsl.Channel
) -> tfx.components.InfraValidator:
    """Builds an InfraValidator, which starts TF Serving with the model and sends one example.

    Args:
      config: Platform that runs TF Serving, and version of TF Serving.
      examples: Channel of the examples.
      model: Channel of the model.
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
        # InfraValidator sends serialized examples, which only the signature `evaluation` accepts.
        request_spec=protos.RequestSpec(
            tensorflow_serving=protos.TensorFlowServingRequestSpec(signature_names=["evaluation"]),
            split_name="test",
            num_examples=1,
        ),
    )
