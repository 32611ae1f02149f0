"""Looks up buckets in an emulator of Google Cloud Storage."""

import pytest

from data.errors import InputError
from pipeline.kubeflow.buckets import check_buckets


@pytest.fixture
def check(gs_folder):
    """A function that checks a workspace in the given bucket, beside a local path."""
    return lambda bucket: check_buckets(
        [("workspace", f"gs://{bucket}/runs"), ("data.source.path", "/data")]
    )


def test_an_existing_bucket_is_accepted(check):
    check("bucket")


def test_a_missing_bucket_is_refused_in_one_line(check):
    with pytest.raises(InputError) as caught:
        check("nowhere")
    assert str(caught.value) == (
        "workspace: there is no bucket gs://nowhere. Create it, or correct the name."
    )


def test_a_bucket_without_access_is_not_refused(check):
    check("denied")


def test_without_credentials_nothing_is_asked(check, gcs, monkeypatch):
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    before = len(gcs.requests)
    check("nowhere")
    assert len(gcs.requests) == before
