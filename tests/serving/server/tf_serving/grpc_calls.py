"""Makes gRPC calls for the probes."""

import tensorflow as tf
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, predict_pb2

from tests.serving.server.tf_serving.probe import RED, Call

STRING, UINT8 = tf.string.as_datatype_enum, tf.uint8.as_datatype_enum


def with_spec(message, name="discs", version=None, label=None, signature=""):
    """Sets the model_spec of a request, and returns the request."""
    message.model_spec.name = name
    message.model_spec.signature_name = signature
    if version is not None:
        message.model_spec.version.value = version
    if label is not None:
        message.model_spec.version_label = label
    return message


def tensor(dtype=STRING, shape=(1,), **fields):
    """Makes a TensorProto."""
    made = tf.make_tensor_proto([b""], tf.string)
    made.Clear()
    made.dtype = dtype
    for size in shape:
        made.tensor_shape.dim.add().size = size
    for name, value in fields.items():
        if name == "tensor_content":
            made.tensor_content = value
        else:
            getattr(made, name).extend(value)
    return made


def predict(inputs=None, compression=None, output_filter=(), **spec):
    """Makes a call of Predict, by default with a good image."""
    message = with_spec(predict_pb2.PredictRequest(output_filter=output_filter), **spec)
    for name, value in (inputs or {"image_bytes": tensor(string_val=[RED])}).items():
        message.inputs[name].CopyFrom(value)
    return Call("PredictionService/Predict", message, predict_pb2.PredictResponse, compression)


def image(**fields):
    """Makes a call of Predict with a given tensor of strings."""
    return predict({"image_bytes": tensor(**fields)})


def pixels(shape=(1, 1, 1, 3), dtype=UINT8, **fields):
    """Makes a call of Predict for probabilities, with a given tensor of numbers."""
    return predict({"images": tensor(dtype, shape, **fields)}, signature="probabilities")


def metadata(*fields, message=None, **spec):
    """Makes a call of GetModelMetadata."""
    message = message or with_spec(get_model_metadata_pb2.GetModelMetadataRequest(), **spec)
    message.metadata_field.extend(fields)
    response = get_model_metadata_pb2.GetModelMetadataResponse
    return Call("PredictionService/GetModelMetadata", message, response)


def status(message=None, **spec):
    """Makes a call of GetModelStatus."""
    message = message or with_spec(get_model_status_pb2.GetModelStatusRequest(), **spec)
    return Call("ModelService/GetModelStatus", message, get_model_status_pb2.GetModelStatusResponse)


def unknown_rank():
    """Makes a call of Predict with a tensor of unknown rank."""
    made = tensor(shape=(), string_val=[RED])
    made.tensor_shape.unknown_rank = True
    return predict({"image_bytes": made})
