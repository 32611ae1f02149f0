"""Probes of paths, versions, labels and methods.

Sources of TF Serving: `model_servers/http_rest_api_util.cc` and `http_rest_api_handler.cc` (paths),
`http_server.cc` (statuses), `get_model_status_impl.cc`, `get_model_metadata_impl.cc`,
`server_core.cc` (labels), `core/aspired_versions_manager.cc` (versions) and
`servables/tensorflow/classifier.cc`.
"""

from tests.serving.server.tf_serving.probe import ALL_RED, GOOD, PREDICT, Probe, get, http, post

MODEL = "/v1/models/discs"
BOTH = '"version":"3"'
LATEST = '"version":"7"'
GREAT = str(2**63)
ARABIC = "%D9%A7"  # the digit 7

STATUS = [
    Probe("status", get(MODEL), 200, LATEST),
    Probe("status of a version", get(f"{MODEL}/versions/3"), 200, BOTH),
    Probe("status by label: all versions", get(f"{MODEL}/labels/stable"), 200, LATEST),
    Probe("status by an unknown label", get(f"{MODEL}/labels/x"), 200, LATEST),
    Probe(
        "status of an unknown version",
        get(f"{MODEL}/versions/9"),
        404,
        "Could not find version 9 of model discs",
    ),
    Probe(
        "status of an unknown model",
        get("/v1/models/cells"),
        404,
        "Could not find any versions of model cells",
    ),
    Probe("status in another case", get("/v1/models/Discs"), 404, "any versions of model Discs"),
    Probe("no model", get("/v1/models"), 400, "Missing model name in request."),
    Probe("a version of no model", get("/v1/models/versions/7"), 400, "Missing model name"),
    Probe("a model named metadata", get("/v1/models/metadata"), 404, "of model metadata"),
    Probe("metadata", get(f"{MODEL}/metadata"), 200, LATEST),
    Probe("metadata of a version", get(f"{MODEL}/versions/3/metadata"), 200, BOTH),
    Probe("metadata by label", get(f"{MODEL}/labels/stable/metadata"), 200, BOTH),
    Probe(
        "metadata by an unknown label",
        get(f"{MODEL}/labels/x/metadata"),
        400,
        "Unrecognized servable version label: x",
    ),
    Probe(
        "metadata of an unknown version",
        get(f"{MODEL}/versions/9/metadata"),
        404,
        "Servable not found for request: Specific(discs, 9)",
    ),
    Probe(
        "metadata of an unknown model",
        get("/v1/models/cells/metadata"),
        404,
        "Servable not found for request: Latest(cells)",
    ),
]

PATHS = [
    Probe("slash at the end", get(f"{MODEL}/"), 400, "Malformed request: GET /v1/models/discs/"),
    Probe("slash behind metadata", get(f"{MODEL}/metadata/"), 400, "Malformed request"),
    Probe("slash behind predict", post(GOOD, f"{PREDICT}/"), 400, "Malformed request: POST"),
    Probe("two slashes at the start", get(f"/{MODEL}"), 404),
    Probe("two slashes in the path", get("/v1//models/discs"), 400, "Malformed request"),
    Probe("another path below /v1/", get("/v1/foo"), 400, "Malformed request: GET /v1/foo"),
    Probe("/v1/ alone", get("/v1/"), 400, "Malformed request: GET /v1/"),
    Probe("/v1 alone", get("/v1"), 404),
    Probe("/v2/", get("/v2/models/discs"), 404),
    Probe("upper-case path", get("/V1/MODELS/discs"), 200, LATEST),
    Probe("upper-case versions", get(f"{MODEL}/VERSIONS/3"), 200, BOTH),
    Probe("METADATA: the status", get(f"{MODEL}/METADATA"), 200, "model_version_status"),
    Probe("PREDICT", post(GOOD, f"{MODEL}:PREDICT"), 400, "Malformed request"),
    Probe("query of a status", get(f"{MODEL}?verbose=1"), 404, "of model discs?verbose=1"),
    Probe("query of metadata", get(f"{MODEL}/metadata?x"), 400, "Malformed request"),
    Probe("query of predict", post(GOOD, f"{PREDICT}?x=1"), 400, "Malformed request"),
    Probe("encoded letter in the name", get("/v1/models/d%69scs"), 200, LATEST),
    Probe("encoded slash in the name", get("/v1/models/di%2Fscs"), 404, "of model di/scs"),
    Probe("encoded letter in the label", post(GOOD, f"{MODEL}/labels/st%61ble:predict"), 200),
    Probe("encoded digit of the version", get(f"{MODEL}/versions/%37"), 400, "Malformed request"),
    Probe("encoded colon", post(GOOD, f"{MODEL}%3Apredict"), 400, "Malformed request"),
    Probe("no name before the colon", post(GOOD, "/v1/models/:predict"), 400, "Malformed request"),
    Probe("version and label", get(f"{MODEL}/versions/3/labels/stable"), 400, "Malformed request"),
    Probe("label and version", get(f"{MODEL}/labels/stable/versions/3"), 400, "Malformed request"),
]

VERSIONS = [
    Probe("predict with a version", post(GOOD, f"{MODEL}/versions/7:predict"), 200, ALL_RED),
    Probe(
        "predict with a label", post(GOOD, f"{MODEL}/labels/stable:predict"), 200, "[0.0,1.0,0.0]"
    ),
    Probe(
        "predict with an unknown version",
        post(GOOD, f"{MODEL}/versions/9:predict"),
        404,
        "Servable not found for request: Specific(discs, 9)",
    ),
    Probe(
        "predict with an unknown label",
        post(GOOD, f"{MODEL}/labels/x:predict"),
        400,
        "Unrecognized servable version label: x",
    ),
    Probe(
        "predict with an unknown model",
        post(GOOD, "/v1/models/cells:predict"),
        404,
        "Servable not found for request: Latest(cells)",
    ),
    Probe("zeros before the version", get(f"{MODEL}/versions/{30 * '0'}7"), 200, LATEST),
    Probe("version 0", get(f"{MODEL}/versions/0"), 404, "Could not find version 0 of model discs"),
    Probe(
        "the greatest version", get(f"{MODEL}/versions/{2**63 - 1}"), 404, f"version {2**63 - 1} of"
    ),
    Probe(
        "version beyond 64 bits",
        get(f"{MODEL}/versions/{GREAT}"),
        400,
        f"Failed to convert version: {GREAT} to numeric.",
    ),
    Probe(
        "version of 5000 digits",
        get(f"{MODEL}/versions/{5000 * '9'}"),
        400,
        "Failed to convert version: 999",
    ),
    Probe(
        "predict with a version beyond 64 bits",
        post(GOOD, f"{MODEL}/versions/{GREAT}:predict"),
        400,
        "Failed to convert version",
    ),
    Probe("negative version", get(f"{MODEL}/versions/-1"), 400, "Malformed request"),
    Probe("plus before the version", get(f"{MODEL}/versions/+7"), 400, "Malformed request"),
    Probe("decimal version", get(f"{MODEL}/versions/7.0"), 400, "Malformed request"),
    Probe("empty version", get(f"{MODEL}/versions/"), 400, "Malformed request"),
    Probe("version in Arabic digits", get(f"{MODEL}/versions/{ARABIC}"), 400, "Malformed request"),
    Probe(
        "predict with a version in Arabic digits",
        post(GOOD, f"{MODEL}/versions/{ARABIC}:predict"),
        400,
        "Malformed request",
    ),
    Probe("empty label", get(f"{MODEL}/labels/"), 400, "Malformed request"),
]

METHODS = [
    Probe("GET of predict", get(PREDICT), 400, f"Malformed request: GET {PREDICT}"),
    Probe("POST of a status", post(GOOD, MODEL), 400, "Malformed request: POST /v1/models/discs"),
    Probe("POST of metadata", post(GOOD, f"{MODEL}/metadata"), 400, "Malformed request: POST"),
    *(
        Probe(
            f"{method} of predict",
            http(method, PREDICT, GOOD),
            400,
            f"Malformed request: {method} {PREDICT}",
        )
        for method in ("PUT", "DELETE", "PATCH", "OPTIONS")
    ),
    Probe("DELETE of a model", http("DELETE", MODEL), 400, "Malformed request: DELETE"),
    Probe("HEAD of a status", http("HEAD", MODEL), 400),
    Probe("HEAD of predict", http("HEAD", PREDICT), 400),
    Probe("TRACE", http("TRACE", MODEL), 501),
    Probe("classify", post('{"examples": [{}]}', f"{MODEL}:classify"), 400),
    Probe("regress", post('{"examples": [{}]}', f"{MODEL}:regress"), 400),
    Probe("an unknown verb", post(GOOD, f"{MODEL}:train"), 400, "Malformed request: POST"),
]
