"""Training (taught in ``05_training_the_qdvae``).

``config`` holds what decides a run, ``schedules`` and ``objective`` what a step does, ``loop`` the
steps, ``reports`` what is told on the way, ``state`` the file of a run; ``prepare`` sets a run up
for lesson, studio and command alike, the classes of its prior included, and ``background`` runs one
beside the notebook.
"""

from qdvae_helpers.training.background import LARGEST, SMALLEST, Progress, TrainingRun, TrainRequest
from qdvae_helpers.training.config import RECIPE_SETTINGS, RECIPES, TrainConfig
from qdvae_helpers.training.loop import TrainResult, fit
from qdvae_helpers.training.prepare import (
    CLASSES,
    PreparedRun,
    default_spins,
    in_classes,
    pick_device,
    prepare_run,
    usual_images,
)
from qdvae_helpers.training.reports import format_report
from qdvae_helpers.training.schedules import seed_of_process

__all__ = [
    "CLASSES",
    "LARGEST",
    "RECIPES",
    "RECIPE_SETTINGS",
    "SMALLEST",
    "PreparedRun",
    "Progress",
    "TrainConfig",
    "TrainRequest",
    "TrainResult",
    "TrainingRun",
    "default_spins",
    "fit",
    "format_report",
    "in_classes",
    "pick_device",
    "prepare_run",
    "seed_of_process",
    "usual_images",
]
