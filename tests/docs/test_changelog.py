"""A changelog is written for users, by version, and its versions are those that the projects declare."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(path.parent for path in (ROOT / "services").glob("*/pyproject.toml"))
KINDS = ["Upgrade", "Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
"""The sections that a version may have, in this order."""
IMAGE = re.compile(r"newName: \S+/shopfloor/([a-z]+), newTag: ([\w.]+)")


def versions_of(changelog: str) -> dict[str, list[str]]:
    """Version → its kinds of change, in the order of the page."""
    found: dict[str, list[str]] = {}
    for level, title in re.findall(r"^(##|###) (.+)$", changelog, re.MULTILINE):
        if level == "##":
            found[title] = []
        else:
            found[list(found)[-1]].append(title)
    return found


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def declared(project: Path) -> str:
    """The version in a project's pyproject.toml."""
    version: str = tomllib.loads((project / "pyproject.toml").read_text())["project"]["version"]
    return version


def changelog_faults(changelog: str, version: str) -> list[str]:
    """Where a changelog of the whole is not in order, or does not fit the declared version."""
    versions = versions_of(changelog)
    released = [name for name in versions if name != "Unreleased"]
    faults = [
        f"{name}: {kinds} are not sections in the order {KINDS}"
        for name, kinds in versions.items()
        if not kinds or kinds != [kind for kind in KINDS if kind in kinds]
    ]
    if list(versions)[:1] != ["Unreleased"]:
        faults.append("the first version is not Unreleased")
    if sorted(released, key=numbers, reverse=True) != released:
        faults.append(f"{released}: the newest version comes first")
    is_next = ".dev" in version and numbers(version) > numbers(released[0])
    if versions.get("Unreleased") and not is_next:
        faults.append(f"changes wait for a release, and the version {version} is not a .dev of the next one")
    return faults


def service_faults(name: str, changelog: str, version: str, images: str) -> list[str]:
    released = [title for title in versions_of(changelog) if title != "Unreleased"]
    tags = dict(IMAGE.findall(images))
    faults = []
    if released[0] != version:
        faults.append(
            f"the changelog's newest version of {name} is {released[0]}, the project's is {version}"
        )
    if tags[name] != version:
        faults.append(f"production runs {name} {tags[name]}, the project's version is {version}")
    return faults


def images_of_production() -> str:
    return (ROOT / "deploy" / "k8s" / "overlays" / "prod" / "kustomization.yaml").read_text()


def test_the_changelog_has_its_sections_and_leads_to_the_declared_version() -> None:
    assert changelog_faults((ROOT / "CHANGELOG.md").read_text(), declared(ROOT)) == []


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)
def test_a_service_has_one_version_in_its_project_changelog_and_production(service: Path) -> None:
    changelog = (service / "CHANGELOG.md").read_text()
    assert service_faults(service.name, changelog, declared(service), images_of_production()) == []


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("## Unreleased\n", "## Next\n", "the first version is not Unreleased"),
        ("### Fixed\n", "### Mended\n", "are not sections in the order"),
        ("### Upgrade\n", "### Fixed\n", "are not sections in the order"),
        ("## 0.1.0\n", "## 0.1.0\n\n### Added\n\n## 0.1.1\n", "the newest version comes first"),
        ("## 0.1.0\n", "## 0.2.0\n", "is not a .dev of the next one"),
    ],
)
def test_a_changelog_out_of_order_is_seen(old: str, new: str, complaint: str) -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert old in text
    faults = changelog_faults(text.replace(old, new, 1), "0.2.0.dev0")
    assert any(complaint in fault for fault in faults), faults


def test_a_service_with_two_versions_is_seen() -> None:
    images = "{name: a, newName: registry.example/shopfloor/orders, newTag: 0.1.0}"
    assert service_faults("orders", "## Unreleased\n## 0.1.0\n", "0.1.0", images) == []
    assert len(service_faults("orders", "## 0.1.0\n", "0.2.0", images)) == 2
