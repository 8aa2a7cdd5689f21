"""What a release sets: the version, in every place at once, and the address of the repository.

python .ci/release.py                     say which version it is; fail where the places differ
python .ci/release.py --version 0.2.0     set it everywhere
python .ci/release.py --address URL       write the repository's address wherever it belongs: links of the
                                          distributions and their READMEs, CITATION.cff, the site
python .ci/release.py --site URL          write where the documentation site stands
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_VERSION = r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?"
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)")
_PICTURES = (".png", ".svg", ".jpg")


def distributions(root: Path) -> list[Path]:
    """The pyproject files of all distributions, the core's first."""
    return [root / "pyproject.toml", *sorted(root.glob("plugins/*/pyproject.toml"))]


def places(root: Path) -> dict[Path, re.Pattern[str]]:
    """Files that state the version, and where in them it stands: the second group."""
    found = {
        path: re.compile(rf'^(version = ")({_VERSION})(")', re.MULTILINE) for path in distributions(root)
    }
    found[root / "sigzoo/__init__.py"] = re.compile(rf'^(__version__ = ")({_VERSION})(")', re.MULTILINE)
    found[root / "CITATION.cff"] = re.compile(rf"^(version: )({_VERSION})($)", re.MULTILINE)
    return found


def versions(root: Path) -> dict[Path, str]:
    """The version that each place states; an empty text where it states none."""
    stated = {path: form.search(path.read_text(encoding="utf-8")) for path, form in places(root).items()}
    return {path: found[2] if found else "" for path, found in stated.items()}


def set_version(root: Path, version: str) -> None:
    """Write a version into every place."""
    if not re.fullmatch(_VERSION, version):
        sys.exit(f"{version!r} is no version such as 0.2.0 or 0.2.0rc1")
    for path, form in places(root).items():
        text = path.read_text(encoding="utf-8")
        path.write_text(form.sub(rf"\g<1>{version}\g<3>", text, count=1), encoding="utf-8")


def set_address(root: Path, address: str) -> None:
    """Write the links of each distribution, and make those of its README whole.

    On the package index a relative link leads nowhere: pages lead to the repository, pictures to its files.
    """
    address = address.rstrip("/")
    if not re.fullmatch(r"https://[\w.-]+(/[\w.-]+)+", address):
        sys.exit(f"{address!r} is no https address of a repository")
    for path in distributions(root):
        text = re.sub(r"\n\[project\.urls\]\n(?:[^\[\n].*\n)*", "", path.read_text(encoding="utf-8"))
        links = {
            "Source": address,
            "Documentation": f"{address}/blob/main/docs/index.md",
            "Changelog": f"{address}/blob/main/CHANGELOG.md",
            "Issues": f"{address}/issues",
        }
        section = "\n[project.urls]\n" + "".join(f'{name} = "{link}"\n' for name, link in links.items())
        path.write_text(text.rstrip("\n") + "\n" + section, encoding="utf-8")
        readme = path.parent / "README.md"
        readme.write_text(whole_links(readme, root, address), encoding="utf-8")

    # All that has the repository's address stands in this function: none is written anywhere by hand.
    _state(root / "CITATION.cff", "repository-code", address, before="authors")
    _state(root / "mkdocs.yml", "repo_url", address, before="docs_dir")


def set_site(root: Path, address: str) -> None:
    """Write where the site stands, which its map and its page for addresses that are not there need."""
    if not re.fullmatch(r"https://[\w.-]+(/[\w.-]+)*/?", address):
        sys.exit(f"{address!r} is no https address of a site")
    _state(root / "mkdocs.yml", "site_url", address.rstrip("/") + "/", before="docs_dir")


def _state(path: Path, key: str, value: str, *, before: str) -> None:
    """Write a line `key: value` of a YAML file in place of the one there, or before another key."""
    text = re.sub(rf"^{key}: .*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    changed, found = re.subn(rf"^(?={before}:)", f"{key}: {value}\n", text, count=1, flags=re.MULTILINE)
    if not found:
        sys.exit(f"{path.name}: there is no {before}, before which {key} should stand")
    path.write_text(changed, encoding="utf-8")


def whole_links(readme: Path, root: Path, address: str) -> str:
    """A README whose relative links lead to a repository."""

    def whole(link: re.Match[str]) -> str:
        aim = (readme.parent / link[1]).resolve().relative_to(root.resolve()).as_posix()
        kind = "raw" if link[1].endswith(_PICTURES) else "tree" if (root / aim).is_dir() else "blob"
        return f"{address}/{kind}/main/{aim}"

    return _LINK.sub(whole, readme.read_text(encoding="utf-8"))


def main() -> None:
    """Do what the arguments say, then compare the places."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--version", help="write this version everywhere")
    parser.add_argument("--address", help="https address of the repository")
    parser.add_argument("--site", help="https address of the documentation site")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.version:
        set_version(given.root, given.version)
    if given.address:
        set_address(given.root, given.address)
    if given.site:
        set_site(given.root, given.site)
    found = versions(given.root)
    if len(set(found.values())) != 1 or "" in found.values():
        sys.exit("\n".join(f"{path.relative_to(given.root)}: {version}" for path, version in found.items()))
    print(f"version {next(iter(found.values()))}, in {len(found)} places")


if __name__ == "__main__":
    main()
