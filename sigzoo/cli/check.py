"""`sigzoo check`: whether a model computes what was published."""

from __future__ import annotations

import click

from sigzoo.cli.embedding_options import device_option, runtime_options
from sigzoo.cli.help_pages import NETWORK, HelpfulCommand
from sigzoo.cli.output import echo, json_option, print_json, print_table, weights_option


@click.command(
    cls=HelpfulCommand,
    examples=[
        "sigzoo check synsig-tiny",
    ],
)
@click.argument("name")
@weights_option
@device_option(NETWORK, default="cpu")
@runtime_options
@json_option
@click.pass_context
def check(
    ctx: click.Context,
    name: str,
    weights: str | None,
    device: str,
    runtime: str,
    precision: str,
    as_json: bool,
) -> None:
    """Check that a model computes what was published for it.

    Fetches its weights and golden files, runs its golden cases, and says how far off they are; with
    --runtime or --precision also how far its features are from torch's in float32. The exit status is
    1 if a case fails.
    """
    from sigzoo.golden import check as run

    report = run(name, weights=weights, device=device, runtime=runtime, precision=precision)
    if as_json:
        checks = [
            {
                "case": each.case,
                "expected": each.expected,
                "got": each.got,
                "difference": each.difference,
                "tolerance": each.tolerance,
                "passed": each.passed,
                "source": each.source,
            }
            for each in report.checks
        ]
        summary = {"model": report.model, "published": report.published, "passed": report.passed}
        print_json({**summary, "checks": checks})
    else:
        if not report.published:
            echo(f"No golden numbers were published for {report.model}; checking that it is sane.")
        rows = [
            [
                each.case,
                f"{each.expected:.8g}",
                f"{each.got:.8g}",
                f"{each.difference:.3g}",
                f"{each.tolerance:.3g}",
                "pass" if each.passed else "FAIL",
            ]
            for each in report.checks
        ]
        columns = ["case", "expected", "got", "difference", "tolerance", ""]
        print_table(columns, rows, right=columns[1:5])
        if report.published:
            for source in dict.fromkeys(each.source for each in report.checks):
                echo(f"expected: {source}")
        failed = sum(not each.passed for each in report.checks)
        echo(f"{report.model}: " + (f"{failed} of {len(report.checks)} FAILED" if failed else "all passed"))
    ctx.exit(0 if report.passed else 1)
