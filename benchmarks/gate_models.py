"""The gate-model classifiers of the lessons: time, and accuracy with spreads, in one run.

    python benchmarks/gate_models.py [--write] [--quick]

Times are of training: forward, backward and the optimiser's step, in batches as in the original.
Where a method is too slow for a whole epoch a part of it is measured and extrapolated; the table
names the number of images.  CPU time of the process on one thread, so that other work on the
machine, and threads that wait for each other, disturb less.  Accuracies are on all of MNIST's test
images of the digits in question, mean and standard deviation over random starts (and orders of the
images).  ``--quick`` only shows that everything runs.  Six minutes.
"""

import argparse
import sys

import numpy as np
import pennylane as qml
import torch
from circuits.convolution import classifiers_of_four_digits, times_qcnn
from circuits.parts import Row, only
from circuits.readout import classifiers_3_and_6, times_17_qubits
from circuits.transfer import ten_digits
from common import tables

from qdvae_helpers.data import load_images

#: What the README shows: each circuit beside a classical rival that sees as little.
SHORT = {
    "3 and 6": ("17-qubit circuit", "logistic regression, 16 bits"),
    "0 to 3": (
        "quantum convolutional network, as in the post (rate 0.001)",
        "logistic regression, 49 means, 200 parameters",
    ),
    "all ten": ("32 exact probabilities of the circuit", "5 angles (PCA of the features)"),
}


def accuracies(rows: list[Row]) -> list[list[str]]:
    """Name, mean, standard deviation, number of seeds, remark."""
    cells = []
    for name, found, remark in rows:
        spread = f"{np.std(found, ddof=1):.3f}" if len(found) > 1 else ""
        cells.append([name, f"{np.mean(found):.3f}", spread, str(len(found)), remark])
    return cells


def table(rows: list[Row]) -> list[str]:
    """All classifiers of one task."""
    return tables.markdown(["classifier", "accuracy", "sd", "seeds", "remark"], accuracies(rows))


def short_table(rows: list[Row]) -> list[str]:
    """A row a task; of several classifiers with one name the first counts."""
    found: dict[str, str] = {}
    for name, accuracy, spread, seeds, _ in accuracies(rows):
        found.setdefault(name, f"{accuracy} ± {spread} ({seeds})" if spread else accuracy)
    chosen = [
        [digits, circuit, found[circuit], rival, found[rival]]
        for digits, (circuit, rival) in SHORT.items()
    ]
    columns = ["digits", "circuit", "accuracy ± sd (seeds)", "rival", "accuracy"]
    return tables.markdown(columns, chosen)


def main() -> int:
    """Measure, print each table when it is ready, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    tables.add_write_option(parser, "README.md and results")
    options = parser.parse_args()
    quick = options.quick
    train, test = load_images("mnist", "train"), load_images("mnist", "test")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    reported: list[str] = []

    def report(*lines: str) -> None:
        print("\n".join(lines), flush=True)
        reported.extend(lines)

    made_with = f"torch {torch.__version__}, PennyLane {qml.__version__}"
    report(f"{train.source}; {test.source}; {made_with}.")

    two, (spins, signs) = classifiers_3_and_6(train, test, quick)
    n = len(only(test, (3, 6))[0])
    report("", f"## Digits 3 and 6, {n:,} test images", "", *table(two), "")
    report(f"Seconds (CPU) per epoch of {len(spins):,} images:", "")
    columns = ["method", "images measured", "seconds per epoch"]
    report(*tables.markdown(columns, times_17_qubits(spins, signs, quick)))

    four, x = classifiers_of_four_digits(train, test, quick)
    n = len(only(test, (0, 1, 2, 3))[0])
    report("", f"## Digits 0 to 3, {n:,} test images", "", *table(four), "")
    report("Seconds (CPU) per 1,000 images, forward and backward:", "")
    columns = ["method", "images in a batch", "seconds"]
    report(*tables.markdown(columns, times_qcnn(x, quick)))

    ten = ten_digits(train, test, quick)
    title = f"## Ten digits through five numbers, {len(test):,} test images"
    report("", title, "", "All rows have the same classical head.", "", *table(ten))
    if options.write:
        short = [*short_table([*two, *four, *ten]), *tables.note(f"{made_with}.")]
        tables.to_readme("gate_models", short)
        tables.to_results("gate_models", reported)
    return 0


if __name__ == "__main__":
    sys.exit(main())
