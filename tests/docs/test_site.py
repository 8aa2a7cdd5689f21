"""The site is built whole; its pages fetch nothing; the notebook runs; the gallery is drawn."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built with warnings as errors: tutorial.md and gallery.md are executed for it."""
    if importlib.util.find_spec("material") is None or importlib.util.find_spec("mkdocstrings") is None:
        pytest.skip("needs the extra docs")
    place = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(place)]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return place


@pytest.mark.slow
def test_no_page_fetches_anything_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 80
    loads = re.compile(
        r'<(?:script|img|iframe|source)[^>]*\ssrc="?(?:https?:)?//|<link[^>]*href="?(?:https?:)?//'
    )
    for page in pages:
        text = page.read_text(encoding="utf-8")
        found = [tag for tag in loads.findall(text) if "canonical" not in tag]
        assert not found, page.name
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(?:@import|url\()\s*[\"']?https?:", sheet.read_text(encoding="utf-8")), (
            sheet.name
        )


@pytest.mark.slow
def test_the_pages_hold_what_was_run(site: Path) -> None:
    tutorial = (site / "tutorial.html").read_text(encoding="utf-8")
    assert "(6, 584) float32" in tutorial
    assert "training-free" in tutorial
    assert len(list((site / "tutorial").glob("figure-*.png"))) == 2
    assert len(list((site / "gallery").glob("*.png"))) >= 9
    for page in ("report.html", "look-around.html"):
        assert (site / "gallery" / page).stat().st_size > 10_000
    for picture in site.glob("gallery/*.png"):
        assert picture.stat().st_size > 2_000, picture.name


@pytest.mark.slow
def test_the_notebook_of_the_site_names_no_place_of_this_machine(site: Path) -> None:
    text = (site / "tutorial.ipynb").read_text(encoding="utf-8")
    assert '"outputs"' in text
    for place in (str(ROOT), str(Path.home()), sys.prefix, "/tmp/"):
        assert place not in text
    assert "Error" not in text


def test_the_notebook_beside_the_page_has_no_outputs(docs: Path) -> None:
    import nbformat

    notebook = nbformat.read(docs / "tutorial.ipynb", as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(cells) >= 12
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)


def test_a_link_out_of_the_folder_leads_to_a_page_or_is_an_error() -> None:
    from generators.project import site_links

    turned = site_links(
        "[a](../CONTRIBUTING.md#rules) [b](models.md) [c](https://example.org)", "training.md"
    )
    assert turned == "[a](project/contributing.md#rules) [b](models.md) [c](https://example.org)"
    turned = site_links("[a](../../SECURITY.md)", "explanation/security.md")
    assert turned == "[a](../project/security.md)"
    assert site_links("[a](docs/cache.md)", "project/security.md") == "[a](../cache.md)"
    with pytest.raises(ValueError, match="no page of the site"):
        site_links("[a](../pyproject.toml)", "training.md")


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("os.environ.get('A_B', '')", {"A_B"}),
        ("os.getenv('A_B')", {"A_B"}),
        ("x = os.environ['A_B']", {"A_B"}),
        ("'A_B' in os.environ", {"A_B"}),
        ("S = 'A_B'\nS not in os.environ", {"A_B"}),
        ("N = ('A', 'B')\nx = next(name for name in N if os.environ.get(name))", {"A", "B"}),
        ("os.environ['A_B'] = '1'\nother.get('C_D')", set()),
    ],
)
def test_a_variable_that_is_read_is_found(code: str, found: set[str]) -> None:
    from generators import environment

    assert environment._read(ast.parse(code)) == found


def test_every_variable_of_the_environment_is_described() -> None:
    from generators import environment

    found = environment.variables()
    assert {"SIGZOO_HOME", "SIGZOO_OFFLINE", "RANK"} <= found
    assert found == set(environment.READ)


def test_a_page_of_a_command_has_all_its_options() -> None:
    from generators import commands
    from generators.pages import Pages

    from sigzoo.cli import cli

    pages = Pages()
    commands.add_to(pages)
    context = cli.make_context("sigzoo", [], resilient_parsing=True)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        for option in command.params:
            if option.param_type_name == "option" and not getattr(option, "hidden", False):
                assert max(option.opts, key=len) in pages.files[f"reference/commands/sigzoo-{name}.md"], (
                    name,
                    option.name,
                )


def test_the_pages_of_models_and_statuses_hold_what_the_code_says() -> None:
    from generators import model_pages, reference
    from generators.pages import Pages

    import sigzoo
    from sigzoo import errors

    pages = Pages()
    model_pages.add_to(pages)
    for name in ("synsig-tiny", "signet", "signet-student-tiny"):
        page = pages.files[f"reference/models/{name}.md"]
        assert isinstance(page, str)
        assert sigzoo.info(name).licence.weights in page.replace("\\", "")
        assert f'sigzoo.load("{name}")' in page
    statuses = reference.exit_statuses()
    assert f"| `UsageError` | {errors.UsageError.exit_code} |" in statuses
    assert f"| `UnknownNameError` | {errors.UnknownNameError.exit_code} |" in statuses


def test_the_drawing_shows_every_room_and_every_import(docs: Path) -> None:
    from generators import architecture
    from generators.pages import Pages

    graph, summaries = architecture.rooms()
    assert {"model", "cli", "registry", "common"} <= set(graph)
    assert graph["common"] <= {"errors"}
    assert "registry" in graph["artifacts"]
    assert all(summaries.values())
    reduced = architecture.needed(graph)

    def reached(edges: dict[str, set[str]], start: str) -> set[str]:
        found, todo = set(), [start]
        while todo:
            for each in edges[todo.pop()] - found:
                found.add(each)
                todo.append(each)
        return found

    for name in graph:
        assert reached(reduced, name) == reached(graph, name)
        for aim in reduced[name]:  # none of them follows from the others
            assert aim not in reached({**reduced, name: reduced[name] - {aim}}, name)
    pages = Pages()
    architecture.add_to(pages)
    page = pages.fillings["explanation/architecture.md"]((docs / "explanation/architecture.md").read_text())
    assert page.count("<rect") == len(graph)
    assert page.count("<path") == sum(map(len, reduced.values()))
