"""Choose the platform."""

from fini_gate.platforms.plain import PlainPlatform
from fini_gate.settings import Settings


def choose_platform(settings: Settings) -> PlainPlatform:
    """Return GitHub's platform on GitHub, if its toolkit is installed, and the plain one everywhere else."""
    if settings.is_on_github:
        try:
            from fini_gate.platforms.github import GitHubPlatform  # noqa: PLC0415 - its toolkit is optional
        except ModuleNotFoundError:
            platform = PlainPlatform(settings.environ)
            platform.warning(
                "Outputs and annotations on GitHub need the extra github: pip install 'fini-gate[github]'."
            )
            return platform
        return GitHubPlatform(settings.environ)
    return PlainPlatform(settings.environ)
