"""`sigzoo build`: make the weights of a model that is made by a recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sigzoo.cli.embedding_options import device_option
from sigzoo.cli.help_pages import HelpfulCommand
from sigzoo.cli.output import echo, json_option, print_json
from sigzoo.cli.training_options import add_parameters, epoch_printer, explicit_options, setting_options
from sigzoo.settings.distillation_settings import DistillationSettings
from sigzoo.settings.recipe_settings import RecipeSettings

if TYPE_CHECKING:
    from sigzoo.learning.building.build import BuildResult
    from sigzoo.learning.building.build_plan import Plan

__all__ = ["build"]


@click.command(
    cls=HelpfulCommand,
    examples=[
        "sigzoo build signet-student-tiny --dry-run",
    ],
)
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and about how long; do nothing.")
@click.option("--force", is_flag=True, help="Begin anew, whatever was built or begun before.")
@add_parameters(
    setting_options(
        DistillationSettings,
        only=RecipeSettings.__struct_fields__,
        rest="The student's training",
        show_defaults=False,
    )
)
@device_option("The student's training")
@json_option
def build(name: str, dry_run: bool, force: bool, device: str, as_json: bool, **given: Any) -> None:
    """Make the weights that nobody publishes, by a model's recipe.

    Fetches the teacher and the data, distils, compares the student with its teacher, and keeps it in
    the cache, where every command finds it by its name. A build that was interrupted goes on. What
    is given here goes before what the recipe says, and is written down beside the weights.
    """
    from sigzoo import learning

    changed = explicit_options(DistillationSettings, given)
    if dry_run:
        _show(learning.plan(name, changed, device=device), as_json)
        return
    on_epoch = epoch_printer(None, on_stderr=as_json, figures=[("agreement", "agreement")])
    result = learning.build(
        name, changed=changed, device=device, force=force, progress=True, on_epoch=on_epoch
    )
    _report(result, as_json)


def _report(result: BuildResult, as_json: bool) -> None:
    provenance = result.provenance
    if as_json:
        print_json(
            {
                "model": result.name,
                "weights": str(result.weights),
                "new": result.new,
                "provenance": provenance,
            }
        )
        return
    agreement = provenance["agreement"]
    if not result.new:
        echo(f"{result.name} was built before, {provenance['built']}; --force builds it again.")
    echo(
        f"{result.name}: names the writer that its teacher names for {agreement['percent']} % of"
        f" {agreement['images']} images held out ({agreement['required']} % is required), in {result.weights}"
    )
    echo(f"Licence of the weights: {provenance['licence']['weights']}")
    echo(f"Use it: sigzoo embed IMAGES -m {result.name}")


def _show(plan: Plan, as_json: bool) -> None:
    """Print a plan."""
    if as_json:
        print_json(_plain(plan))
        return
    echo(plan.name, bold=True)
    for key, value in _lines(plan).items():
        echo(f"  {key:<15} {value}")
    echo("Nothing was fetched or written.")


def _lines(plan: Plan) -> dict[str, str]:
    from sigzoo.recipes import amount

    options = ", ".join(f"{key} {value}" for key, value in plan.loss_options.items())
    needs = [f"{each.name}, {amount(each.size)}, {each.state}" for each in plan.needs]
    images = "unknown before they are fetched" if plan.images is None else f"about {plan.images:,} images"
    lines = {
        "state": plan.state + (", and a build was begun" if plan.interrupted else ""),
        "teacher": plan.teacher,
        "student": f"{plan.backbone}, {plan.parameters:,} parameters with its writer head",
        "data": f"{plan.data}, {images}",
        "loss": plan.loss + (f" ({options})" if options else ""),
        "settings": ", ".join(f"{key} {value}" for key, value in plan.settings.items()),
        "yours": ", ".join(f"{key} {value}" for key, value in plan.changed.items()),
        "needs": "; ".join(needs),
        "result": str(plan.output),
        "licence": f"{plan.licence} (commercial use: {'yes' if plan.commercial_use else 'no'})",
        "time": _time(plan),
        "cost": plan.cost or "",
    }
    return {key: value for key, value in lines.items() if value}


def _time(plan: Plan) -> str:
    found = plan.estimate
    timed = (
        f"{found.batch_size} images take the student {found.student_seconds:.2f} s and the teacher"
        f" {found.teacher_seconds:.2f} s, timed on {found.device} just now with random images"
    )
    if found.seconds is None:
        return f"not to be told before the data are here; {timed}"
    return f"about {_duration(found.seconds)}, an estimate: {timed}; fetching and reading come on top"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 90 * 60 else f"{seconds / 3600:.1f} hours"


def _plain(plan: Plan) -> dict[str, Any]:
    from dataclasses import asdict

    found = asdict(plan)
    found["needs"] = [{**each, "path": str(each["path"])} for each in found["needs"]]
    return {
        **found,
        "output": str(plan.output),
        "estimate": {**found["estimate"], "seconds": plan.estimate.seconds},
    }
