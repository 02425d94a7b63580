"""How the whole suite draws its examples."""

import os

from hypothesis import settings

# The first call of a compiled kernel takes seconds, so no example has a deadline; where CI is set, the same examples
# are drawn every time.
settings.register_profile("home", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "home")
