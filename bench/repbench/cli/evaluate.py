"""Commands that embed: run, audit."""

from __future__ import annotations

import math
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from repbench.cli.options import LOADING, RESULTS, STORE, embedding_options

if TYPE_CHECKING:
    from repbench.encoders.load import LoadOptions
    from repbench.run.settings import Settings


@click.command()
@click.argument("encoders", nargs=-1, required=True, metavar="ENCODER...")
@click.option("--tasks", default="*", show_default=True, help="Names or patterns, separated by commas: 'linear-probe/*,knn/*'.")
@click.option(
    "--out",
    type=RESULTS,
    default=Path("results"),
    show_default=True,
    help="Folder of results, or an address: s3://bucket/results.",
)
@click.option(
    "--store",
    type=STORE,
    help="Folder of embeddings, or an address: s3://bucket/store. [default: $REPBENCH_STORE or the user's cache]",
)
@embedding_options
@click.option("--seed", default=0, show_default=True, help="Seed of every random choice; it is recorded.")
@click.option(
    "--limit", type=click.IntRange(min=1), help="So many examples of each split, at least one a class (a quick look)."
)
@click.option(
    "--stop-rule",
    type=click.Choice(["certified", "sklearn"]),
    default="certified",
    show_default=True,
    help="Where linear probes stop: at the proven optimum, or where scikit-learn's default does (as in old tables).",
)
@click.option(
    "--index",
    type=click.Choice(["exact", "ivf"]),
    help="How knn searches; ivf is approximate, for banks of millions: the record tells its recall. [default: exact]",
)
@click.option("--features", help="Each a row: layers, cls, mean, max, projection, backbone, own (layer3,layer4,own).")
@click.option("--steps", type=click.IntRange(min=1), help="Steps of each fine-tuning run, for a quick look. [default: 20000]")
@click.option("--grid", metavar="RATESxDECAYS", help="Learning rates and weight decays of fine-tuning. [default: 7x8]")
@click.option(
    "--prompts",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Your own zero-shot prompts in place of the declared ones: .txt, .json or .toml.",
)
@click.option("--on-bad-item", default="fail", show_default=True, help="fail, or skip (the record counts the skipped).")
@click.option("--deviating", is_flag=True, help="Use copies that are known to differ from the published data; marks the rows.")
@click.option("--accept-changed-data", is_flag=True, help="Compute results again whose data have changed since.")
@click.option("--shard", metavar="I/N", default="1/1", help="Part I of N of the run: array jobs without a coordinator.")
@click.option("--engine", default="local", show_default=True, help="local, or ray: the same run on a Ray cluster.")
@click.option("--address", help="Of a Ray cluster that is running: auto, HOST:PORT. [default: one of this machine]")
@click.option("--dry-run", is_flag=True, help="Print the plan and do nothing.")
@click.option("--quiet", is_flag=True, help="No progress, only the table.")
def run(
    encoders: tuple[str, ...],
    tasks: str,
    features: str | None,
    prompts: Path | None,
    shard: str,
    engine: str,
    address: str | None,
    dry_run: bool,
    quiet: bool,
    plugins: tuple[Path, ...],
    **options: Any,
) -> None:
    """Evaluate encoders on tasks and write one record for each; what is done already is not done again.

    Exit status: 0 all done, 1 some failed, 2 nothing was run (wrong use, no encoder could be
    built). `repbench list encoders` shows what an ENCODER can be.
    """
    from repbench.encoders.variants import feature_words
    from repbench.run.engines import make_engine
    from repbench.run.shards import parse_shard
    from repbench.session import run_encoders

    settings, load = _settings(options)
    told = {name: options[name] for name in ("stop_rule", "index", "steps", "grid")}
    status = run_encoders(
        encoders,
        tasks,
        plugins,
        settings,
        load,
        options=told,
        prompts=prompts,
        dry_run=dry_run,
        quiet=quiet,
        features=feature_words(features) if features is not None else (),
        shard=parse_shard(shard),
        engine=make_engine(engine, address),
        echo=click.echo,
    )
    raise SystemExit(status)


@click.command()
@click.argument("encoder")
@click.option("--dataset", default="digits", show_default=True, help="Dataset whose items are embedded.")
@click.option("--sample", default=256, show_default=True, type=click.IntRange(min=2), help="Items, spread over all splits.")
@embedding_options
def audit(encoder: str, dataset: str, sample: int, data: Path | None, plugins: tuple[Path, ...], **options: Any) -> None:
    """Compare how a run embeds with the plain network in fp32, one item at a time: cosines, predictions that flip.

    Predictions are of a kNN vote within the sample and, with a text tower and class prompts, zero-shot.

    Exit status: 0 within tolerance, 1 outside, 2 wrong use.
    """
    from repbench.audit import audit_encoder
    from repbench.datasets.open import open_dataset
    from repbench.embeddings.options import ExtractOptions
    from repbench.encoders.load import LoadOptions
    from repbench.tasks import load_catalogue

    opened = open_dataset(load_catalogue(plugins).dataset(dataset), data)
    load = LoadOptions(**{name: options.pop(name) for name in LOADING})
    raise SystemExit(audit_encoder(encoder, opened, sample, ExtractOptions(**options), load, click.echo))


@click.command()
@click.argument("a", metavar="ENCODER")
@click.argument("b", metavar="ENCODER")
@click.option("--dataset", default="digits", show_default=True, help="Dataset whose items both embed.")
@click.option("--split", default="test", show_default=True, help="Split of the dataset.")
@click.option("--sample", default=2000, show_default=True, type=click.IntRange(min=20), help="Items at most.")
@click.option("--store", type=STORE, help="Folder of embeddings.")
@embedding_options
def similarity(
    a: str,
    b: str,
    dataset: str,
    split: str,
    sample: int,
    store: Path | None,
    data: Path | None,
    plugins: tuple[Path, ...],
    **options: Any,
) -> None:
    """How alike two encoders see the same items: CKA (unbiased), RSA, mutual neighbours; 1 is alike, 0 unrelated."""
    from repbench.datasets.open import open_dataset
    from repbench.embeddings.options import ExtractOptions
    from repbench.encoders.load import LoadOptions
    from repbench.run.settings import default_store
    from repbench.similarity import compare_encoders
    from repbench.tasks import load_catalogue

    opened = open_dataset(load_catalogue(plugins).dataset(dataset), data)
    load = LoadOptions(**{name: options.pop(name) for name in LOADING})
    found = compare_encoders((a, b), opened, split, sample, ExtractOptions(**options), load, store or default_store())
    for name, one in found.items():
        undefined = math.isnan(one.value)
        told = (
            "undefined: all embeddings of one of the two point the same way"
            if undefined
            else f"[{one.low:.4f}, {one.high:.4f}]"
        )
        click.echo(f"{name:<20} {'–' if undefined else f'{one.value:.4f}':>7}  {told}")


def _settings(options: dict[str, Any]) -> tuple[Settings, LoadOptions]:
    from repbench.embeddings.options import ExtractOptions
    from repbench.encoders.load import LoadOptions
    from repbench.results.secrets import without_secrets
    from repbench.run.settings import Settings, default_store, library_versions

    extract = ExtractOptions(
        device=options["device"],
        precision=options["precision"],
        batch_size=options["batch_size"],
        workers=options["workers"],
        seed=options["seed"],
        on_bad_item=options["on_bad_item"],
        item_timeout=options["item_timeout"],
    )
    settings = Settings(
        results=options["out"],
        store=options["store"] or default_store(),
        data=options["data"],
        seed=options["seed"],
        limit=options["limit"],
        deviating=options["deviating"],
        accept_changed_data=options["accept_changed_data"],
        extract=extract,
        command=without_secrets(shlex.join(["repbench", *sys.argv[1:]])),
        versions=library_versions(),
    )
    load = LoadOptions(**{name: options[name] for name in LOADING}, seed=options["seed"])
    return settings, load
