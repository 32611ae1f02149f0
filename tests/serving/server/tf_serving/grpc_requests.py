"""Probes of gRPC.

Sources of TF Serving: `servables/tensorflow/predict_impl.cc`, `predict_util.cc` and
`get_model_metadata_impl.cc`, `model_servers/get_model_status_impl.cc`, `server_core.cc`,
`model_service_impl.cc` and `server.cc` (services, start), `classifier.cc`, `regressor.cc`, and
TensorFlow's `cc/saved_model/util.cc` (inputs) and `framework/tensor.cc` (TensorProto).
"""

import grpc
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
    session_service_pb2,
)

from tests.serving.server.tf_serving.grpc_calls import (
    STRING,
    image,
    metadata,
    pixels,
    predict,
    status,
    tensor,
    unknown_rank,
    with_spec,
)
from tests.serving.server.tf_serving.probe import GOOD, RED, Call, Probe, get, post

INVALID, MISSING = "INVALID_ARGUMENT", "NOT_FOUND"
NO_SPEC = "Missing ModelSpec"
WRAPS = "TF Serving takes the value modulo 256"
NO_SIGNATURE = "models of unetfx have no such signature"
FEWER = "a small message could stand for millions of images"
MORE = "TF Serving overlooks values; the client has a mistake"


NO_MESSAGE = Call(
    "PredictionService/Predict", predict_pb2.PredictRequest(), predict_pb2.PredictResponse
)
DAMAGED = NO_MESSAGE._replace(message=b"\xff\xff")

PREDICT = [
    Probe("Predict", predict(), "OK", "float_val: 1"),
    Probe(
        "numbers are in float_val",
        predict(output_filter=["class_fraction"]),
        "OK",
        "float_val: 1.0 float_val: 0.0 float_val: 0.0",
    ),
    Probe(
        "model_spec of the answer",
        predict(),
        "OK",
        'name: "discs" version { value: 7 } signature_name: "serving_default"',
    ),
    Probe("no model_spec", NO_MESSAGE, INVALID, NO_SPEC),
    Probe("no name", predict(name=""), INVALID, "ModelSpec has no name specified."),
    Probe(
        "an unknown model",
        predict(name="cells"),
        MISSING,
        "Servable not found for request: Latest(cells)",
    ),
    Probe("a version", predict(version=3), "OK", "value: 3"),
    Probe(
        "an unknown version",
        predict(version=9),
        MISSING,
        "Servable not found for request: Specific(discs, 9)",
    ),
    Probe(
        "a negative version",
        predict(version=-1),
        MISSING,
        "Servable not found for request: Specific(discs, -1)",
    ),
    Probe("a label", predict(label="stable"), "OK", "value: 3"),
    Probe(
        "an unknown label", predict(label="x"), INVALID, "Unrecognized servable version label: x"
    ),
    Probe("an empty label", predict(label=""), INVALID, "Unrecognized servable version label:"),
    Probe("an unknown signature", predict(signature="x"), "FAILED_PRECONDITION", '"x" not found'),
    Probe("no input", predict({"": tensor(string_val=[RED])}), INVALID),
    Probe("an unknown input", predict({"image": tensor(string_val=[RED])}), INVALID),
    Probe(
        "an input too many",
        predict({"image_bytes": tensor(string_val=[RED]), "more": tensor(string_val=[b""])}),
        INVALID,
    ),
    Probe("an output by name", predict(output_filter=["confidence"]), "OK", "confidence"),
    Probe(
        "two outputs by name",
        predict(output_filter=["confidence", "mask_png_bytes"]),
        "OK",
        "string_val",
    ),
    Probe(
        "an unknown output",
        predict(output_filter=["logits"]),
        INVALID,
        "output tensor alias not found in signature: logits",
    ),
    Probe(
        "an output twice",
        predict(output_filter=["confidence", "confidence"]),
        INVALID,
        "duplicate output tensor alias: confidence",
    ),
    Probe("compressed with gzip", predict(compression=grpc.Compression.Gzip), "OK", "float_val: 1"),
    Probe(
        "compressed with deflate",
        predict(compression=grpc.Compression.Deflate),
        "OK",
        "float_val: 1",
    ),
    Probe(
        "a message of more than `--max-body`",
        image(string_val=[bytes(300_000)]),
        INVALID,
        here="RESOURCE_EXHAUSTED",
        why="memory is limited; TF Serving fails to decode the image",
    ),
    Probe(
        "the same, compressed",
        predict({"image_bytes": tensor(string_val=[bytes(300_000)])}, grpc.Compression.Gzip),
        INVALID,
        here="RESOURCE_EXHAUSTED",
        why="memory is limited; TF Serving fails to decode the image",
    ),
    Probe("bytes that are no message", DAMAGED, "INTERNAL"),
]

TENSORS = [
    Probe("strings in string_val", image(shape=(2,), string_val=[RED, RED]), "OK", "float_val: 1"),
    Probe(
        "strings in tensor_content",
        image(tensor_content=bytes([len(RED)]) + RED),
        "OK",
        "float_val: 1",
    ),
    Probe(
        "tensor_content of another length",
        image(tensor_content=bytes([len(RED) + 1]) + RED),
        INVALID,
    ),
    Probe(
        "fewer strings than elements",
        image(shape=(2,), string_val=[RED]),
        "OK",
        here=INVALID,
        why=FEWER,
    ),
    Probe("more strings than elements", image(string_val=[RED, RED]), "OK", here=INVALID, why=MORE),
    Probe("no string", image(), INVALID),
    Probe("no images", image(shape=(0,)), "OK", "confidence"),
    Probe("a scalar", image(shape=(), string_val=[RED]), INVALID),
    Probe("a shape of unknown rank", unknown_rank(), INVALID),
    Probe("a negative size", image(shape=(-1,), string_val=[RED]), INVALID),
    Probe("no type", image(dtype=0, string_val=[RED]), INVALID),
    Probe("an unknown type", image(dtype=999, string_val=[RED]), INVALID),
    Probe("numbers for strings", image(dtype=1, float_val=[1.0]), INVALID),
    Probe("strings for numbers", pixels(dtype=STRING, string_val=3 * [b"a"]), INVALID),
    Probe("int32 for uint8", pixels(dtype=3, int_val=[1, 2, 3]), INVALID),
    Probe("numbers in int_val", pixels(int_val=[255, 0, 0]), "OK", "float_val"),
    Probe("numbers in tensor_content", pixels(tensor_content=b"\xff\0\0"), "OK", "float_val"),
    Probe("tensor_content of another size", pixels(tensor_content=b"\xff"), INVALID),
    Probe("one number for all elements", pixels(int_val=[255]), "OK", "float_val"),
    Probe("no number: zeros", pixels(), "OK", "float_val"),
    Probe("more numbers than elements", pixels(int_val=[1, 2, 3, 4]), "OK", here=INVALID, why=MORE),
    Probe("300 in int_val of uint8", pixels(int_val=[300, 0, 0]), "OK", here=INVALID, why=WRAPS),
    Probe("-1 in int_val of uint8", pixels(int_val=[-1, 0, 0]), "OK", here=INVALID, why=WRAPS),
    Probe(
        "an unknown size of the shape", pixels((1, -1, 1, 3), tensor_content=b"\xff\0\0"), INVALID
    ),
    Probe("four channels", pixels((1, 1, 1, 4), int_val=[0]), INVALID),
    Probe(
        "one number for a gigabyte",
        pixels((1, 20_000, 20_000, 3), int_val=[1]),
        "OK",
        here="RESOURCE_EXHAUSTED",
        why="memory is limited",
    ),
]

OTHERS = [
    Probe("metadata", metadata("signature_def"), "OK", "SignatureDefMap"),
    Probe(
        "a metadata_field twice",
        metadata("signature_def", "signature_def"),
        "OK",
        "SignatureDefMap",
    ),
    Probe(
        "no metadata_field",
        metadata(),
        INVALID,
        "GetModelMetadataRequest must specify at least one metadata_field",
    ),
    Probe("an unknown metadata_field", metadata("assets"), INVALID),
    Probe("a known and an unknown metadata_field", metadata("signature_def", "assets"), INVALID),
    Probe(
        "metadata of no model",
        metadata("signature_def", message=get_model_metadata_pb2.GetModelMetadataRequest()),
        INVALID,
        NO_SPEC,
    ),
    Probe(
        "metadata of an unknown model",
        metadata("signature_def", name="cells"),
        MISSING,
        "Latest(cells)",
    ),
    Probe("metadata by label", metadata("signature_def", label="stable"), "OK", "value: 3"),
    Probe("status", status(), "OK", "version: 7"),
    Probe("status of a version", status(version=3), "OK", "version: 3"),
    Probe("status by label: all versions", status(label="stable"), "OK", "version: 7"),
    Probe(
        "status of no model", status(get_model_status_pb2.GetModelStatusRequest()), INVALID, NO_SPEC
    ),
    Probe(
        "status without a name", status(name=""), MISSING, "Could not find any versions of model"
    ),
    Probe(
        "status of an unknown model",
        status(name="cells"),
        MISSING,
        "Could not find any versions of model cells",
    ),
    Probe(
        "status of an unknown version",
        status(version=9),
        MISSING,
        "Could not find version 9 of model discs",
    ),
    Probe(
        "Classify",
        Call(
            "PredictionService/Classify",
            with_spec(classification_pb2.ClassificationRequest()),
            classification_pb2.ClassificationResponse,
        ),
        INVALID,
        here="UNIMPLEMENTED",
        why=NO_SIGNATURE,
    ),
    Probe(
        "Regress",
        Call(
            "PredictionService/Regress",
            with_spec(regression_pb2.RegressionRequest()),
            regression_pb2.RegressionResponse,
        ),
        INVALID,
        here="UNIMPLEMENTED",
        why=NO_SIGNATURE,
    ),
    Probe(
        "MultiInference",
        Call(
            "PredictionService/MultiInference",
            inference_pb2.MultiInferenceRequest(),
            inference_pb2.MultiInferenceResponse,
        ),
        INVALID,
        here="UNIMPLEMENTED",
        why=NO_SIGNATURE,
    ),
    Probe(
        "HandleReloadConfigRequest",
        Call(
            "ModelService/HandleReloadConfigRequest",
            model_management_pb2.ReloadConfigRequest(),
            model_management_pb2.ReloadConfigResponse,
        ),
        INVALID,
        here="UNIMPLEMENTED",
        why="the server has one model, and loads its versions by itself",
    ),
    Probe(
        "SessionService",
        Call(
            "SessionService/SessionRun",
            session_service_pb2.SessionRunRequest(),
            session_service_pb2.SessionRunResponse,
        ),
        "UNIMPLEMENTED",
    ),
    Probe(
        "an unknown method", NO_MESSAGE._replace(method="PredictionService/Train"), "UNIMPLEMENTED"
    ),
]

_BEFORE = {
    "answer": "no connection",
    "here": 503,
    "why": "TF Serving listens only after it has loaded a version; clients try again in both cases",
    "is_starting": True,
}

START = [
    Probe("REST predict", post(GOOD), **_BEFORE),
    Probe("REST metadata", get("/v1/models/discs/metadata"), **_BEFORE),
    Probe("REST status", get("/v1/models/discs"), **_BEFORE),
    Probe("gRPC Predict", predict(), "UNAVAILABLE", is_starting=True),
    Probe("gRPC GetModelMetadata", metadata("signature_def"), "UNAVAILABLE", is_starting=True),
    Probe("gRPC GetModelStatus", status(), "UNAVAILABLE", is_starting=True),
]
