"""Answers to the exercises of lesson 04 on the QPU's graph: a part, its hash, its colours."""

from dataclasses import replace
from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
import torch

from qdvae_helpers.graphs import QPUGraph, densest_subgraph, ideal_graph


def part(neighbours, first, n):
    grown = [first]
    while len(grown) < n:
        rim = sorted({q for p in grown for q in neighbours[p]} - set(grown))
        grown.append(max(rim, key=lambda q: len(neighbours[q] & set(grown))))
    return grown


def part_by_counting(neighbours, first, n):
    inside, count = {first}, dict.fromkeys(neighbours[first], 1)
    while len(inside) < n:
        new = min(count, key=lambda q: (-count[q], q))
        del count[new]
        inside.add(new)
        for q in neighbours[new] - inside:
            count[q] = count.get(q, 0) + 1
    return sorted(inside)


def part_by_degree(neighbours, first, n):
    grown = [first]
    while len(grown) < n:
        rim = sorted({q for p in grown for q in neighbours[p]} - set(grown))
        grown.append(max(rim, key=lambda q: len(neighbours[q])))
    return grown


def part_from_the_last(neighbours, first, n):
    grown = [first]
    while len(grown) < n:
        rim = sorted(neighbours[grown[-1]] - set(grown))
        grown.append(max(rim, key=lambda q: len(neighbours[q] & set(grown))))
    return grown


def part_that_eats_its_map(neighbours, first, n):
    grown = part(neighbours, first, n)
    for q in neighbours:
        neighbours[q] -= set(grown)
    return grown


PART = [
    (part_that_eats_its_map, "changed its input"),
    (part, "Correct."),
    (part_by_counting, "Correct."),
    (lambda *args: tuple(part(*args)), "Correct."),
    (lambda *args: torch.tensor(part(*args)), "Correct."),
    (lambda *args: set(part(*args)), "return a list of n qubits"),
    (part_by_degree, "only those *into the part*"),
    (
        lambda neighbours, first, n: part(neighbours, first, n + 1),
        "yours is a tensor of shape (6,)",
    ),
    (lambda neighbours, first, n: part(neighbours, first, n)[1:], "`first` counted in"),
    (lambda neighbours, first, n: [first] * n, "twice"),
    (part_from_the_last, "nothing is left to choose from"),
]


def colours(neighbours, order, choose=min):
    found = {}
    for q in order:
        free = set(range(len(order))) - {found[p] for p in neighbours[q] if p in found}
        found[q] = choose(free)
    return [found[q] for q in order]


def colours_by_networkx(neighbours, order):
    graph = nx.Graph()
    graph.add_nodes_from(order)
    graph.add_edges_from((q, p) for q in order for p in neighbours[q] if p in order)
    found = nx.greedy_color(graph, strategy=lambda graph, _: order)
    return torch.tensor([found[q] for q in order])


def colours_of_the_last(neighbours, order):
    found = [0]
    for last, q in pairwise(order):
        found.append(1 - found[-1] if last in neighbours[q] else 0)
    return found


def colours_one_above(neighbours, order):
    found = {}
    for q in order:
        found[q] = max((found[p] for p in neighbours[q] if p in found), default=-1) + 1
    return [found[q] for q in order]


def colours_without_asking(neighbours, order):
    found = {}
    for q in order:
        found[q] = min(set(range(len(order))) - {found[p] for p in neighbours[q]})
    return [found[q] for q in order]


def colours_that_empty_the_order(neighbours, order):
    found = colours(neighbours, order)
    order.clear()
    return found


def only_four(neighbours, order):
    found = {}
    for q in order:
        found[q] = min(set(range(4)) - {found[p] for p in neighbours[q] if p in found})
    return list(found.values())


def colours_by_number(neighbours, order):
    found = dict(zip(sorted(order), colours(neighbours, sorted(order)), strict=True))
    return [found[q] for q in order]


COLOURS = [
    (colours, "Correct."),
    (colours_by_networkx, "Correct."),
    (lambda n, o: np.array(colours(n, o)), "Correct."),
    (lambda n, o: dict(zip(o, colours(n, o), strict=True)), "yours is a dict"),
    (lambda n, o: max(colours(n, o)) + 1, "one colour per qubit of `order`"),
    (lambda n, o: colours(n, o)[1:], "one colour per qubit of `order`"),
    (lambda n, o: [c + 1 for c in colours(n, o)], "begin to count with colour 0"),
    (colours_one_above, "a lower colour may be free"),
    (lambda n, o: colours(n, o, max), "could have a lower one"),
    (lambda n, o: list(range(len(o))), "a sweep gets no shorter"),
    (lambda n, o: [0] * len(o), "a coupler joins two qubits of one colour"),
    (colours_of_the_last, "a coupler joins two qubits of one colour"),
    (lambda n, o: [len([p for p in n[q] if p in o[:k]]) for k, q in enumerate(o)], "how *many*"),
    (colours_by_number, "in the given `order`"),
    (lambda n, o: colours(n, o[::-1])[::-1], "from its beginning"),
    (
        lambda n, o: [c for _, c in sorted(zip(o, colours(n, o), strict=True))],
        "in another order than the qubits",
    ),
    (colours_without_asking, "ask with `in` first"),
    (colours_that_empty_the_order, "changed its input"),
    (only_four, "seven qubits, all coupled, need seven"),
]

CHANGES = {
    "listed backwards": False,
    "a coupler turned round": False,
    "one coupler less": True,
    "a lone qubit more": True,
    "renumbered from 0": True,
    "another source": False,
}
HASH = [
    (CHANGES, "Correct."),
    (list(CHANGES.values()), "in a dictionary"),
    (dict(reversed(CHANGES.items())), "Correct."),
    (CHANGES | {"one coupler less": ...}, "no answer yet"),
    (CHANGES | {"one coupler less": "yes"}, "'yes' is neither True nor False"),
    ({"one coupler less": True}, "no answer for 'listed backwards'"),
    *(
        (CHANGES | {change: not truth}, f"{change}: the hash {'changes' if truth else 'stays'}")
        for change, truth in CHANGES.items()
    ),
]


def test_the_hash_of_a_graph_is_as_the_exercise_says(verdict):
    graph = densest_subgraph(ideal_graph(), 12)
    (u, v), *rest = graph.edges
    number = {q: k for k, q in enumerate(graph.nodes)}
    others = {
        "listed backwards": QPUGraph(graph.nodes[::-1], graph.edges[::-1]),
        "a coupler turned round": QPUGraph(graph.nodes, [(v, u), *rest]),
        "one coupler less": QPUGraph(graph.nodes, rest),
        "a lone qubit more": QPUGraph([*graph.nodes, max(graph.nodes) + 1], graph.edges),
        "renumbered from 0": QPUGraph(range(12), [(number[u], number[v]) for u, v in graph.edges]),
        "another source": replace(graph, source="a graph from elsewhere"),
    }
    found = {change: other.hash != graph.hash for change, other in others.items()}
    assert verdict("hash_notices", found) == "Correct.\n"


@pytest.mark.parametrize(
    ("check", "answer", "said"),
    [
        *(("grown_part", *row) for row in PART),
        *(("greedy_colours", *row) for row in COLOURS),
        *(("hash_notices", *row) for row in HASH),
    ],
)
def test_answers(check, answer, said, verdict):
    assert said in verdict(check, answer)
