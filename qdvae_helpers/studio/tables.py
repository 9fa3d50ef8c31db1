"""What a model's file says of itself, and what is measured anew."""

import html

import torch

from qdvae_helpers.data import TITLES, ImageSet, Source
from qdvae_helpers.evaluate import dead_spins, quality
from qdvae_helpers.judge import load_judge
from qdvae_helpers.losses import encoder_entropy, reconstruction_loss
from qdvae_helpers.models import QDVAE
from qdvae_helpers.profiles import current_profile
from qdvae_helpers.widgets.wishes import label_names

_MEASURED = {"fast": 64, "lesson": 500, "full": 1_000}  # generated images a comparison scores


def facts(header: dict, shares: torch.Tensor | None = None) -> dict[str, str]:
    """What a model's file says of itself, in the words of the lessons.

    Args:
        header: see :func:`~qdvae_helpers.checkpoints.read_header`.
        shares: how frequent each class is, ``(K,)``, see :meth:`ModelStore.shares`.
    """
    graph, info = header["graph"], header["info"]
    train, studio = info.get("train", {}), info.get("studio", {})
    source = Source.from_dict(info["data"]) if "data" in info else None
    rows = {
        "graph": f"{len(graph['nodes'])} qubits, {len(graph['edges']):,} couplers, "
        f"hash {graph['hash']}",
        "where from": graph["source"],
        "trained on": str(source or "unknown"),
        "classes": _classes(header, shares),
        "loss": train.get("recipe", "unknown"),
        "steps": f"{info.get('step', 0):,} of {train.get('steps', 0):,}, "
        f"{train.get('batch_size', 0)} images each",
        "sampler": info.get("sampler", {}).get("description", "unknown"),
        "seed": str(train.get("seed", "unknown")),
    }
    if source:
        seen = info.get("step", 0) * train.get("batch_size", 0)
        rows["epochs"] = f"{seen / source.count:.1f}"
    if studio.get("start_from"):
        rows["fine-tuned from"] = studio["start_from"]
    if history := info.get("history"):
        last = history[-1]
        rows["reconstruction, held out"] = f"{last.get('validation', float('nan')):.1f} nats"
        rows["dead spins"] = str(last.get("dead_spins", "unknown"))
        rows["size of couplings"] = f"{last.get('coupling_rms', float('nan')):.3f} (rms)"
    return rows


def folded(name: str, header: dict, shares: torch.Tensor | None = None) -> str:
    """The same as HTML: the gist in one line, which unfolds to the table of all."""
    said, info = facts(header, shares), header["info"]
    names = header["settings"].get("classes", ())
    gist = [f"{len(header['graph']['nodes'])} spins"]
    if "data" in info:
        gist.append(TITLES.get(info["data"]["data_set"], info["data"]["data_set"]))
    labels = label_names(names, info)
    gist += [f"{len(labels)} labels" if labels else f"{len(names)} clusters"] if names else []
    gist += [said["loss"]] if "train" in info else []
    if "epochs" in said:
        number = f"{float(said['epochs']):.0f}"
        gist.append(f"{number} epoch{'s' * (number != '1')}")
    if studio := info.get("studio", {}).get("start_from"):
        gist.append(f"fine-tuned from {studio}")
    return (
        f"<details><summary>{html.escape(', '.join(gist))}</summary>"
        f"{table({name: said}, 'What the file says of itself')}</details>"
    )


def _classes(header: dict, shares: torch.Tensor | None) -> str:
    """What the prior knows of classes, and how frequent they are, in one line."""
    names = header["settings"].get("classes", ())
    if not names:
        return "none: one prior for all images"
    labels, each = label_names(names, header["info"]), "each"
    text = f"{len(names)} clusters"
    if labels:
        text = f"{len(labels)} labels ({', '.join(labels)})"
        text += f" in {len(names)} clusters" if len(names) > len(labels) else ""
        each = "each label"
    if shares is None:
        return text
    if labels:
        shares = torch.stack([shares[[name == one for name in names]].sum() for one in labels])
    low, high = 100 * float(shares.min()), 100 * float(shares.max())
    return f"{text}, {each} {low:.2g} to {high:.2g} % of the images"


@torch.no_grad()
def measures(model: QDVAE, held_out: ImageSet, seed: int = 0) -> dict[str, str]:
    """What a comparison shows: measured anew, on the same images for every model.

    Args:
        model: in evaluation mode.
        held_out: black-and-white images; of these, as many as are generated judge them, so they
            should stand in a random order, as in :func:`~qdvae_helpers.data.held_out_sample`.
        seed: of the drawn spins and of the generated images.
    """
    n = min(_MEASURED[current_profile().name], len(held_out))
    generator = torch.Generator(model.device).manual_seed(seed)
    logits, _, pixel_logits = model(held_out.images, generator=generator)
    generated = model.generate(n, seed=seed).round()
    score = quality(generated, held_out.images, load_judge())
    reconstruction = reconstruction_loss(pixel_logits, held_out.images)
    return {
        "reconstruction, held out": f"{float(reconstruction):.1f} nats",
        "entropy": f"{float(encoder_entropy(logits)):.1f} nats",
        "dead spins": f"{dead_spins(logits)} of {model.n_spins}",
        f"Fréchet distance of {n}": f"{score.frechet:.0f}",
        "precision": f"{score.precision:.2f}",
        "recall": f"{score.recall:.2f}",
    }


def table(columns: dict[str, dict[str, str]], caption: str) -> str:
    """Columns of named values as an HTML table with headings."""
    rows = list(dict.fromkeys(key for column in columns.values() for key in column))
    cell = 'style="text-align: left; padding: 1px 12px 1px 0"'
    head = "".join(f'<th scope="col" {cell}>{html.escape(name)}</th>' for name in columns)
    body = "".join(
        f'<tr><th scope="row" {cell}>{html.escape(row)}</th>'
        + "".join(f"<td {cell}>{html.escape(c.get(row, '–'))}</td>" for c in columns.values())
        + "</tr>"
        for row in rows
    )
    return (
        f'<table><caption style="text-align: left">{html.escape(caption)}</caption>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
