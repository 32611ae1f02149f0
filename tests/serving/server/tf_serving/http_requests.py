"""Probes of HTTP itself, and of compressed bodies.

Sources of TF Serving: `util/net_http/server/internal/evhttp_server.cc` and `evhttp_request.cc`
(with libevent's `http.c`), `util/net_http/compression/gzip_zlib.cc` and
`model_servers/http_server.cc`.
"""

import gzip
import zlib

from tests.serving.server.tf_serving.probe import ALL_RED, GOOD, PREDICT, Probe, get, http, post

STATUS = get("/v1/models/discs")
GZIPPED = gzip.compress(GOOD.encode())
CHUNKED = http("POST", PREDICT, Content_Length="", Transfer_Encoding="chunked")
# A little larger than the limit of 200,000 bytes, so that the server reads all of it before it
# closes the connection.
LARGE = '{"more": "' + 200_000 * "a" + '", ' + GOOD[1:]
PAGES = "TF Serving has no such page"


def chunks(body: str) -> bytes:
    """Returns a body as one chunk."""
    return f"{len(body):x}\r\n{body}\r\n0\r\n\r\n".encode()


HTTP = [
    Probe("HTTP/1.0", post(GOOD).replace(b"HTTP/1.1", b"HTTP/1.0"), 200, ALL_RED),
    Probe("Expect: 100-continue", post(GOOD, Expect="100-continue"), 200, ALL_RED),
    Probe("chunked body", CHUNKED + chunks(GOOD), 200, ALL_RED),
    Probe("no length of an empty body", post("", Content_Length=""), 400, "The document is empty"),
    Probe("Content-Type: text/plain", post(GOOD, Content_Type="text/plain"), 200, ALL_RED),
    Probe(
        "Content-Type of a form",
        post(GOOD, Content_Type="application/x-www-form-urlencoded"),
        200,
        ALL_RED,
    ),
    Probe("Accept: text/xml", post(GOOD, Accept="text/xml"), 200, ALL_RED),
    Probe("type of an answer", STATUS, 200, "content-type: application/json"),
    Probe("type of an error", get("/v1/foo"), 400, "content-type: application/json"),
    Probe("GET with a body", http("GET", "/v1/models/discs", GOOD), 200, '"version":"7"'),
    Probe("answers are not compressed", post(GOOD, Accept_Encoding="gzip"), 200, ALL_RED),
    Probe("negative Content-Length", post(GOOD, Content_Length="-1"), 400),
    Probe("Content-Length is no number", post(GOOD, Content_Length="many"), 400),
    Probe("no Host", post(GOOD, Host=""), 200, here=400, why="HTTP/1.1 requires it (RFC 9112)"),
    Probe(
        "a whole URL as the path",
        get("http://localhost/v1/models/discs"),
        200,
        here=404,
        why="only proxies get such requests",
    ),
    Probe(
        "Content-Length and Transfer-Encoding",
        http("POST", PREDICT, Transfer_Encoding="chunked") + chunks(GOOD),
        200,
        here=400,
        why="a proxy in between may read two requests",
    ),
    Probe(
        "an unknown name in Host",
        post(GOOD, Host="evil.example"),
        200,
        here=403,
        why="a web page could read the answers by DNS rebinding",
    ),
    Probe(
        "Origin of another page",
        post(GOOD, Origin="http://evil.example"),
        200,
        here=403,
        why="web pages could use the server unnoticed",
    ),
    Probe(
        "a body of more than `--max-body`",
        CHUNKED + chunks(LARGE),
        200,
        here=413,
        why="memory is limited",
    ),
    Probe("the page", get("/"), 404, here=200, why=PAGES),
    Probe("health check", get("/healthz"), 404, here=200, why=PAGES),
    Probe(
        "metrics",
        get("/monitoring/prometheus/metrics"),
        404,
        here=200,
        why="TF Serving has the page if its configuration enables it",
    ),
]

ENCODINGS = [
    Probe("gzip", post(GZIPPED, Content_Encoding="gzip"), 200, ALL_RED),
    Probe("x-gzip", post(GZIPPED, Content_Encoding="x-gzip"), 200, ALL_RED),
    Probe("GZIP is another name", post(GZIPPED, Content_Encoding="GZIP"), 400, "JSON Parse error"),
    Probe("gzip without its header", post(GZIPPED), 400, "JSON Parse error"),
    Probe("the header without gzip", post(GOOD, Content_Encoding="gzip"), 400),
    Probe("gzip, cut short", post(GZIPPED[:-1], Content_Encoding="gzip"), 400),
    Probe("bytes behind gzip", post(GZIPPED + b"more", Content_Encoding="gzip"), 400),
    Probe(
        "gzip with a wrong checksum",
        post(GZIPPED[:-8] + b"0000" + GZIPPED[-4:], Content_Encoding="gzip"),
        400,
    ),
    Probe(
        "nothing in gzip",
        post(gzip.compress(b""), Content_Encoding="gzip"),
        400,
        "The document is empty",
    ),
    Probe("identity", post(GOOD, Content_Encoding="identity"), 200, ALL_RED),
    Probe(
        "deflate",
        post(zlib.compress(GOOD.encode()), Content_Encoding="deflate"),
        400,
        "JSON Parse error",
    ),
    Probe("br, but not compressed", post(GOOD, Content_Encoding="br"), 200, ALL_RED),
    Probe(
        "gzip that is too large when inflated",
        post(gzip.compress(LARGE.encode()), Content_Encoding="gzip"),
        400,
        here=413,
        why="the limit is `--max-body`, not 100 MiB; 413 names the reason",
    ),
]
