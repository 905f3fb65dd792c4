"""The studio that tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from studio_client import Studio, started


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """One that all tests share that leave it as it was."""
    with started(tmp_path_factory.mktemp("pictures")) as studio:
        studio.login()
        yield studio
