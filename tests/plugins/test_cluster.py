"""What the launcher `ray` says where there is no Ray, or no cluster. With them it is tested in `tests/ray`."""

from __future__ import annotations

import socket
import sys
from types import SimpleNamespace

import pytest

from clipig_core import InputError
from clipig_core.testing.launchers import square
from clipig_sweep.cluster import _slots, differences, ray


@pytest.mark.parametrize(
    ("module", "wanted"),
    [
        (None, r"needs Ray \(.*\); install it with pip install 'clipig\[ray\]'"),
        (SimpleNamespace(__version__="2.9.3"), r"needs Ray 2\.40 or newer; this is 2\.9\.3"),
    ],
)
def test_no_ray_or_an_old_one(module: object, wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "RAY_raylet_start_wait_time_s",
        "RAY_USAGE_STATS_ENABLED",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO",
        "RAY_AUTH_MODE",
        "RAY_AUTH_TOKEN",
    ):
        monkeypatch.setenv(name, "")
    monkeypatch.setitem(sys.modules, "ray", module)
    with pytest.raises(InputError, match=wanted):
        next(ray(square, [1]))


@pytest.mark.parametrize("address", ["127.0.0.1", "nowhere", "127.0.0.1:99999", ":"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(InputError, match=f"there is no Ray cluster at '{address}'"):
        next(ray(square, [1], address=address))


def test_an_address_where_nobody_answers() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(InputError, match="Connection refused"):
            next(ray(square, [1], address=f"127.0.0.1:{free.getsockname()[1]}"))


def test_differences_are_named() -> None:
    here = {"Python": "3.11.7", "clipig": "0.2.0", "clipig-sepia": "1.0"}
    there = {"Python": "3.11.8", "clipig": "0.2.0", "clipig-more": "2.0"}
    assert differences(here, there) == [
        "has Python 3.11.8, here is 3.11.7",
        "has clipig-more 2.0, here is none",
        "lacks clipig-sepia 1.0",
    ]
    assert differences(here, here) == []


def test_a_cluster_that_is_too_small() -> None:
    assert _slots({"CPU": 8.0, "GPU": 2.0}, 1, 0.25) == 8
    assert _slots({"CPU": 8.0, "GPU": 1.0}, 1, 0.5) == 2
    with pytest.raises(InputError, match=r"a job takes 0\.5 GPUs, but the whole cluster has 0"):
        _slots({"CPU": 8.0}, 1, 0.5)
