"""Whether what draws the page is installed; to be asked before minutes of work are done for it."""

from importlib.util import find_spec

from refnet.errors import MissingExtraError

PACKAGES = ("jinja2", "matplotlib")


def check_extra() -> None:
    """Raise MissingExtraError if a package that `render` needs is not installed."""
    for package in PACKAGES:
        if find_spec(package) is None:
            raise MissingExtraError(f'the report needs {package}; install it: pip install "refnet[report]"')
