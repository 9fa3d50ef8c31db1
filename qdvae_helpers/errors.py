"""The package's own exceptions: each message says what is wrong and how to put it right."""


class QdvaeError(Exception):
    """Base class of every error that this package raises on purpose."""


def in_words(error: Exception) -> str:
    """An error as a sentence for the person in front of the screen."""
    if isinstance(error, QdvaeError):
        return str(error)
    return f"This should not have happened ({type(error).__name__}): {error}"


class SettingError(QdvaeError, ValueError):
    """An option, an argument or an environment variable has a value that does not exist here."""


class OutputError(QdvaeError, OSError):
    """A file or folder cannot be written, is not ours to replace, or is being written elsewhere."""


class DataError(QdvaeError, RuntimeError):
    """A data set is missing, truncated or altered."""


class GraphError(QdvaeError, ValueError):
    """A graph cannot be built, read, or does not fit what was asked of it."""


class SamplerError(QdvaeError, ValueError):
    """A sampler cannot do what was asked: wrong shapes, values out of range, graph too large."""


class QPUError(SamplerError):
    """A real QPU cannot be reached or did not answer; the message has the cause and a remedy."""


class BudgetError(QPUError):
    """The next submission would pass the budget of QPU time."""


class RecordingError(SamplerError):
    """A recording is missing, damaged, too large, or belongs to another model."""


class TrainingError(QdvaeError, ArithmeticError):
    """Training has gone wrong in a way that more steps cannot mend."""


class MixingWarning(UserWarning):
    """Samples may not follow the model: Markov chains that stay where they are, or are too alike.

    A warning and no error, since the samples may still serve.
    """


class CheckpointError(QdvaeError, RuntimeError):
    """A saved model is missing, damaged, or belongs to something else."""
