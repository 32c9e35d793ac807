"""The device that encoders run on."""

import pytest
import torch

from unsup.core.devices import fastest_device


@pytest.mark.parametrize(
    ("cuda", "mps", "device"), [(True, True, "cuda:0"), (False, True, "mps"), (False, False, "cpu")]
)
def test_accelerators_come_first(cuda: bool, mps: bool, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert str(fastest_device()) == device
