"""The command that looks a caption probe over: audit-probe."""

from __future__ import annotations

import json
from pathlib import Path

import click

from repbench.embeddings.needs import SENTENCES

NOT_HACKABLE, HACKABLE = 0, 1  # exit status


@click.command("audit-probe")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--true", "true", metavar="COLUMN", help="The column of true captions. [default: caption, true_caption, ...]")
@click.option("--false", "false", metavar="COLUMNS", help="Columns of negatives, separated by commas.")
@click.option("--group", metavar="COLUMN", help="What examples of one image share. [default: filename, image_path, ...]")
@click.option("--by", "subset", metavar="COLUMN", help="Audit each value of this column apart too.")
@click.option(
    "--encoder",
    default=SENTENCES,
    show_default=True,
    help="Text tower of step 4, and both towers of steps 5 and 6 for a FILE.toml; '' for none.",
)
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Folder of datasets, for a FILE.toml.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the id of every hackable negative.")
def audit_probe(
    files: tuple[Path, ...],
    true: str | None,
    false: str | None,
    group: str | None,
    subset: str | None,
    encoder: str,
    data: Path | None,
    as_json: bool,
) -> None:
    """Can the negatives of a caption probe be told from the truth without the images? The blind audit, in nine steps.

    FILE is JSON (or a line of it an example, .jsonl), CSV, TSV or Parquet with a true and a negative caption an example, as
    SugarCrepe and SugarCrepe++, ARO, VALSE, What'sUp, CREPE, Winoground and ColorSwap are published, or the TOML of a dataset.
    Exit status: 0 not hackable, 1 some probe is hackable, 2 wrong use.
    """
    import numpy as np

    from repbench.datasets.caption_files import read_captions
    from repbench.probe_audit import audit_json, audit_lines
    from repbench.probe_audit import audit_probe as run

    given = {"true": true or "", "false": false or "", "group": group or "", "subset": subset or ""}
    audits = []
    for file in files:
        probe = read_captions(file, given, data)
        parts = [probe]
        if subset:
            parts += [probe.part(probe.subset == kind, f"{probe.name}, {subset} {kind}") for kind in np.unique(probe.subset)]
        for part in parts:
            audits.append(run(part, encoder))
            if not as_json:
                click.echo("\n".join(audit_lines(audits[-1])))
    if as_json:
        click.echo(json.dumps([audit_json(one) for one in audits], indent=2))
    raise SystemExit(HACKABLE if any(one.verdict.hackable for one in audits) else NOT_HACKABLE)
