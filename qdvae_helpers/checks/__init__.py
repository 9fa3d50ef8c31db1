# ruff: noqa: F401
"""Checks of the exercises: each says in words what is wrong with an answer, and never raises.

``checks.NAME(answer)`` prints the verdict.  One file per lesson, named by its topic; how a new
check is written stands in :mod:`qdvae_helpers.checks.verdict`.
"""

from .annealing import exchange_probability, gauged, overlaps, paired_verdict, readout
from .autoencoders import (
    batch_loss,
    count_parameters,
    gaussian_kl_by_hand,
    interpolate,
    own_draws,
    reparameterise,
    training_loop,
)
from .boltzmann import (
    fitted_machine,
    gibbs_sweep,
    greedy_colours,
    grown_part,
    hash_notices,
    inverse_temperature,
    ising_energy,
    memory_of_chains,
)
from .classifier import ceiling, closed_form, hinge, pixels_agree, zz_for
from .convolution import amplitudes, apply_gate, comes_back, count_read, post_loss
from .couplings import (
    fooling_strings,
    mixture_log_prob,
    seeds_needed,
    shuffles_in_classes,
    split_price,
)
from .generating import influential_flips, memory, nearest_distance, sampler_faults, share_and_error
from .judging import (
    errors_of_pairs,
    fools_frechet,
    fools_recall,
    frechet_by_axes,
    largest_by_chance,
)
from .likelihood import (
    effective_sample_size,
    exact_log_likelihood,
    log_mean_weight,
    nats_of_tossed_pixels,
    repaired_annealing,
)
from .mmd import bandwidth_for_power, biased_mmd, blind_spot, loss_of_logits, p_value, unbiased_mmd
from .solved import progress
from .spins import (
    aggregate_posterior,
    dead_count,
    error_of_average,
    spin_entropy,
    spins_from_uniform,
    straight_through,
)
from .start import couplers_of_each, eight_digits, flip, spin_of_bit
from .steering import accepted, asked_for, class_clamps, class_energy, few_pixels, problems
from .steps import training_step
from .studio import journey, may_exchange, safe_name, steps_of_a_run, time_left, what_counts
from .training import (
    diagnoses,
    distortion_at_rate,
    kl_from_three_terms,
    parts_that_move,
    two_parts_of_the_kl,
)
from .transfer import beyond_products, joint, probability_of_one, shot_error, through_chain
from .verdict import by_examples, exercise
