"""What the tests of all checks share."""

from collections.abc import Callable

import pytest

from qdvae_helpers import checks


@pytest.fixture
def verdict(capsys) -> Callable[..., str]:
    """The line that a check, given by name or itself, prints on an answer."""

    def of(check, answer) -> str:
        (getattr(checks, check) if isinstance(check, str) else check)(answer)
        said = capsys.readouterr().out
        assert said == "Correct.\n" or said.startswith("Not yet: ")
        return said

    return of
