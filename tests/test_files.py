"""Files that are never half written."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from qdvae_helpers.files import write_tensors
from qdvae_helpers.outputs import replacing


@pytest.fixture
def path(tmp_path) -> Path:
    return write_tensors(tmp_path / "deep" / "file.safetensors", {"a": torch.arange(3)}, {"b": 1})


def test_any_safetensors_reader_will_do(path):
    with safe_open(path, "np") as file:
        assert file.get_tensor("a").tolist() == [0, 1, 2]
        assert file.metadata() == {"qdvae": '{"b": 1}'}


def test_a_failed_write_leaves_the_old_file_and_nothing_else(path):
    before = path.read_bytes()

    def half():
        with replacing(path) as written:
            written.write_bytes(b"half")
            raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        half()
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    with replacing(path) as written:
        written.write_bytes(b"whole")
    assert path.read_bytes() == b"whole"
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_file_is_as_readable_as_any_new_file(path, tmp_path):
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
