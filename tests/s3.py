"""A local S3 server (moto) with one bucket, for the tests of results and stores that lie elsewhere."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import urlopen

import pytest

MISSING = [name for name in ("moto", "s3fs", "flask") if importlib.util.find_spec(name) is None]


@contextmanager
def local_s3() -> Iterator[str]:
    """The address of an empty bucket; the environment leads every client to the server, also in processes that start later."""
    import s3fs
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        given = {
            "ENDPOINT_URL": f"http://{host}:{port}",
            "ACCESS_KEY_ID": "a",
            "SECRET_ACCESS_KEY": "b",
            "DEFAULT_REGION": "us-east-1",
        }
        with pytest.MonkeyPatch.context() as patch:
            for name, value in given.items():
                patch.setenv(f"AWS_{name}", value)
            for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
                patch.delenv(name)
            urlopen(f"http://{host}:{port}/moto-api/reset", data=b"").close()  # buckets of an earlier server of this process
            s3fs.S3FileSystem.clear_instance_cache()
            s3fs.S3FileSystem().mkdir("bucket")
            yield "s3://bucket"
    finally:
        server.stop()
