# ruff: noqa: F401
"""Checks of the exercises: each says in words what is wrong with an answer, and never raises.

``checks.NAME(answer)`` prints the verdict.  One file a lesson, named by its topic; how a new check
is written stands in :mod:`qdvae_helpers.checks.verdict`.
"""

from .annealing import exchange_probability, gauged, overlaps, paired_verdict, readout
from .autoencoders import count_parameters, gaussian_kl_by_hand, interpolate, reparameterise
from .boltzmann import conditional_probability, coupling_gradient, ising_energy, probability_ratio
from .classifier import ceiling, closed_form, hinge, zz_for
from .convolution import amplitudes, apply_gate, count_read, post_loss
from .generating import (
    class_clamps,
    class_energy,
    influential_flips,
    nearest_distance,
    share_and_error,
)
from .judging import effective_sample_size, errors_apart, frechet_one_dimension, importance_bound
from .mmd import biased_mmd, p_value, spin_distance, unbiased_mmd
from .spins import mean_spin, spin_entropy, spins_from_uniform, straight_through
from .start import couplers_of_each, eight_digits, flip, spin_of_bit
from .studio import safe_name, steps_of_a_run, time_left
from .training import diagnoses, gap_of_moments, kl_from_three_terms, parts_that_move
from .transfer import joint, probability_of_one, shot_error, through_chain
from .verdict import by_examples, exercise
