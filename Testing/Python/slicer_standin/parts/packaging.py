"""Requirements of modules: checked, never installed."""

from importlib.metadata import PackageNotFoundError, version

from packaging.requirements import Requirement


def load_requirements(path) -> list[Requirement]:
    """The requirements of a file; Slicer's own skips comment lines, empty lines and lines with pip's options."""
    with open(path) as file:
        lines = [line.strip() for line in file]
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def pip_check(requirements: list[Requirement]) -> bool:
    """Whether all are installed in a version that fits; those for other platforms count as installed."""
    return all(_is_installed(requirement) for requirement in requirements)


def pip_ensure(
    requirements: list[Requirement],
    prompt_install: bool = True,
    prompt_restart: bool = True,
    requester: str | None = None,
    show_progress: bool = True,
) -> None:
    """Behaves as when the user says no to an installation, or pip fails."""
    if not pip_check(requirements):
        raise RuntimeError("User declined installation of required packages.")


def _is_installed(requirement: Requirement) -> bool:
    if requirement.marker is not None and not requirement.marker.evaluate():
        return True
    try:
        return requirement.specifier.contains(version(requirement.name), prereleases=True)
    except PackageNotFoundError:
        return False
