"""Parts of pages that tools write: what stands between `<!-- name -->` and `<!-- /name -->`."""

import re


def replace_block(text: str, name: str, content: str, page: str) -> str:
    """A page's text with one block's content replaced; the page must have exactly one of the name."""
    block = f"<!-- {name} -->\n{content}\n<!-- /{name} -->"
    text, count = re.subn(rf"<!-- {name} -->.*?<!-- /{name} -->", lambda _: block, text, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"{page} has {count} blocks named {name}; expected one")
    return text
