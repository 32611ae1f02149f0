"""Probes of JSON documents.

Sources of TF Serving: `util/json_tensor.cc` (with RapidJSON), `http_rest_api_handler.cc`
(signatures), Abseil's `strings/escaping.cc` (Base64), and TensorFlow's `framework/tensor.cc` and
`direct_session.cc` (values and shapes).
"""

import base64
import json

from tests.serving.server.tf_serving.probe import ALL_RED, GOOD, RED, RED_B64, Probe, post

EMPTY = "JSON Parse error: The document is empty"
PARSE = "JSON Parse error"
BASE64 = "Unable to base64 decode"
WRAPS = "TF Serving takes the value modulo 256"
# Bytes behind the end of a PNG are ignored, so any length of padding can be made.
PADDED = base64.b64encode(RED + bytes(-(len(RED) + 2) % 3)).decode()


def with_key(key: str) -> bytes:
    """Makes a good request with another key, which is ignored."""
    return post(GOOD[:-1] + f', "more": {key}}}')


def rows(*instances: object, **more: object) -> bytes:
    """Makes a request in the row format."""
    return post(json.dumps({"instances": instances, **more}))


def columns(inputs: object) -> bytes:
    """Makes a request in the column format."""
    return post(json.dumps({"inputs": inputs}))


def image(text: object = RED_B64) -> dict[str, object]:
    """Makes a value in Base64."""
    return {"b64": text}


def pixel(red: str) -> bytes:
    """Makes a request for the probabilities of one pixel."""
    return post(f'{{"signature_name": "probabilities", "instances": [[[[{red},0,0]]]]}}')


DOCUMENTS = [
    Probe("empty body", post(""), 400, EMPTY),
    Probe("white space", post(" \n"), 400, EMPTY),
    Probe("no JSON", post("instances=1"), 400, PARSE),
    Probe("cut short", post(GOOD[:-1]), 400, PARSE),
    Probe("text behind the document", post(GOOD + " more"), 400, PARSE),
    Probe("two documents", post(GOOD + GOOD), 400, PARSE),
    Probe("white space around the document", post(f"\r\n\t {GOOD}\n"), 200, ALL_RED),
    Probe("a list", post(f"[{GOOD}]"), 400, "Is not object"),
    Probe("null", post("null"), 400, "Is not object"),
    Probe("a string", post('"instances"'), 400, "Is not object"),
    Probe("single quotes", post(GOOD.replace('"', "'")), 400, PARSE),
    Probe("a comma at the end", post(GOOD[:-1] + ",}"), 400, PARSE),
    Probe("a comment", post("/* */" + GOOD), 400, PARSE),
    Probe("a byte order mark", post(b"\xef\xbb\xbf" + GOOD.encode()), 200, ALL_RED),
    Probe("UTF-16", post(GOOD.encode("utf-16")), 400, PARSE),
    Probe("a line break in a string", with_key('"\n"'), 400, PARSE),
    Probe("an unknown escape", with_key(r'"\x"'), 400, PARSE),
    Probe("half of a surrogate pair as an image", post(r'{"instances": ["\ud800"]}'), 400),
    Probe("an unknown key", with_key("{}"), 200, ALL_RED),
    Probe("instances twice: the first", with_key('0, "instances": []'), 200, ALL_RED),
    Probe("NaN", with_key("NaN"), 200, ALL_RED),
    Probe("-Infinity", with_key("-Infinity"), 200, ALL_RED),
    Probe("Inf", with_key("Inf"), 200, here=400, why="not in any JSON; `Infinity` is understood"),
    Probe("zero before a number", with_key("01"), 400, PARSE),
    Probe("plus before a number", with_key("+1"), 400, PARSE),
    Probe("no digit behind the point", with_key("1."), 400, PARSE),
    Probe("no digit before the point", with_key(".5"), 400, PARSE),
    Probe("escaped slashes", post(GOOD.replace("/", r"\/")), 200, ALL_RED),
    Probe(
        "bytes that are not UTF-8",
        post(GOOD[:-1].encode() + b', "more": "\xff"}'),
        200,
        here=400,
        why="not JSON (RFC 8259)",
    ),
    Probe(
        "text behind a zero byte",
        post(GOOD + "\0more"),
        200,
        here=400,
        why="not JSON; TF Serving overlooks the text",
    ),
    Probe(
        "no JSON for an unknown model",
        post("", "/v1/models/cells:predict"),
        400,
        here=404,
        why="the model is looked up first",
    ),
]

KEYS = [
    Probe("neither instances nor inputs", post("{}"), 400, "Missing 'inputs' or 'instances' key"),
    Probe("INSTANCES", post(GOOD.upper()), 400, "Missing 'inputs' or 'instances' key"),
    Probe(
        "instances and inputs",
        post('{"instances": [1], "inputs": [1]}'),
        400,
        "expecting only one of 'inputs' or 'instances' keys to exist",
    ),
    Probe("instances: a string", post('{"instances": "a"}'), 400),
    Probe("instances: an object", post('{"instances": {}}'), 400),
    Probe("instances: null", post('{"instances": null}'), 400),
    Probe("no instances", rows(), 400, "No values in 'instances' array"),
    Probe("an empty signature_name", rows(image(), signature_name=""), 200, ALL_RED),
    Probe(
        "signature_name: null",
        rows(image(), signature_name=None),
        400,
        "'signature_name' key must be a string value.",
    ),
    Probe(
        "signature_name: a number",
        rows(image(), signature_name=1),
        400,
        "'signature_name' key must be a string value.",
    ),
    Probe("the default by name", rows(image(), signature_name="serving_default"), 200, ALL_RED),
    Probe(
        "the default in upper case",
        rows(image(), signature_name="SERVING_DEFAULT"),
        400,
        "not found in signature def",
    ),
    Probe(
        "an unknown signature",
        rows(image(), signature_name="x"),
        400,
        'Serving signature name: "x" not found in signature def',
    ),
    Probe(
        "the signature that loads the model", rows(1, signature_name="__saved_model_init_op"), 400
    ),
    Probe("rows of values", rows(image()), 200, ALL_RED),
    Probe("rows of objects", rows({"image_bytes": image()}), 200, ALL_RED),
    Probe("two rows", rows(image(), image()), 200, ALL_RED),
    Probe("an unknown input in a row", rows({"image": image()}), 400),
    Probe("one input too many in a row", rows({"image_bytes": image(), "more": 1}), 400),
    Probe("an object, then a value", rows({"image_bytes": image()}, image()), 400),
    Probe("a value, then an object", rows(image(), {"image_bytes": image()}), 400),
    Probe("an empty object", rows({}), 400),
    Probe("columns", columns([image()]), 200, '"class_fraction":[[1.0,0.0,0.0]]'),
    Probe("columns by name", columns({"image_bytes": [image()]}), 200, '"class_fraction":[[1.0'),
    Probe(
        "a missing column",
        columns({"image": [image()]}),
        400,
        "Missing named input: image_bytes in 'inputs' object.",
    ),
    Probe("a column too many", columns({"image_bytes": [image()], "more": 1}), 200, '"outputs"'),
    Probe("a value instead of a column", columns(image()), 400),
    Probe("columns: null", columns(None), 400),
    Probe("an empty column", columns([]), 200, '"confidence":[]'),
]

STRINGS = [
    Probe("an image as text", rows("text"), 400),
    Probe("a number as image", rows(1), 400),
    Probe("null as image", rows(None), 400),
    Probe("true as image", rows(True), 400),
    Probe("a list as image", rows([image()]), 400),
    Probe("lists of different lengths", rows([image()], [image(), image()]), 400),
    Probe("an empty list as image", rows([]), 400),
    Probe("40 nested lists", post('{"instances": ' + 40 * "[" + '"a"' + 40 * "]" + "}"), 400),
    Probe("an empty image", rows(image("")), 400),
    Probe("a damaged image", rows(image(RED_B64[:60])), 400),
    Probe("b64 beside another key", rows({"b64": RED_B64, "more": 1}), 400),
    Probe("b64 of a number", rows(image(1)), 400),
    Probe("B64", rows({"B64": RED_B64}), 400),
    Probe(
        "Base64 with line breaks",
        rows(image(RED_B64[:30] + "\r\n" + RED_B64[30:] + "\n")),
        200,
        ALL_RED,
    ),
    Probe("Base64 without padding", rows(image(PADDED[:-2])), 200, ALL_RED),
    Probe("Base64 with stops as padding", rows(image(f"{PADDED[:-2]}..")), 200, ALL_RED),
    Probe("Base64 with white space in the padding", rows(image(f"{PADDED[:-1]} =")), 200, ALL_RED),
    Probe("too little padding", rows(image(PADDED[:-1])), 400, BASE64),
    Probe("too much padding", rows(image(f"{PADDED}=")), 400, BASE64),
    Probe("padding in the middle", rows(image(f"{PADDED}{PADDED}")), 400, BASE64),
    Probe("Base64 of one letter", rows(image("a")), 400, BASE64),
    Probe("Base64 for URLs", rows(image("_-8=")), 400, BASE64),
    Probe("letters outside Base64", rows(image("aé==")), 400, BASE64),
    Probe("white space outside ASCII", rows(image(f"{PADDED}\u00a0")), 400, BASE64),
    Probe("an example that is none", rows("x", signature_name="evaluation"), 400),
]

NUMBERS = [
    Probe("integers", pixel("255"), 200, '"predictions":[[[['),
    Probe("-0", pixel("-0"), 200, '"predictions":[[[['),
    Probe("256 for uint8", pixel("256"), 200, here=400, why=WRAPS),
    Probe("-1 for uint8", pixel("-1"), 200, here=400, why=WRAPS),
    Probe("1.0 for uint8", pixel("1.0"), 400, "is not of expected type: uint8"),
    Probe("1.5 for uint8", pixel("1.5"), 400, "is not of expected type: uint8"),
    Probe("1e0 for uint8", pixel("1e0"), 400, "is not of expected type: uint8"),
    Probe("true for a number", pixel("true"), 400, "is not of expected type: uint8"),
    Probe("a string for a number", pixel('"1"'), 400, "is not of expected type: uint8"),
    Probe("null for a number", pixel("null"), 400, "is not of expected type: uint8"),
    Probe("NaN for uint8", pixel("NaN"), 400, "is not of expected type: uint8"),
    Probe("b64 for a number", pixel('{"b64": "AA=="}'), 400),
    Probe("2^31 for uint8", pixel(str(2**31)), 400),
    Probe("2^63 for uint8", pixel(str(2**63)), 400),
    Probe("2^70 for uint8", pixel(str(2**70)), 400),
    Probe("1e999", pixel("1e999"), 400),
    Probe("four channels", pixel("0,0"), 400),
    Probe("a dimension is missing", rows([[1, 2, 3]], signature_name="probabilities"), 400),
    Probe("no pixels", rows([[[]]], signature_name="probabilities"), 400),
    Probe(
        "rows of different lengths",
        rows([[[1, 2, 3]], [[1, 2]]], signature_name="probabilities"),
        400,
    ),
    Probe(
        "images of different sizes",
        rows([[[1, 2, 3]]], [[[1, 2, 3], [1, 2, 3]]], signature_name="probabilities"),
        400,
    ),
]
