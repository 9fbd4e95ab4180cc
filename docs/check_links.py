"""Fails where a page of the built site links to a page, a place or a file that is not there.

`python docs/check_links.py docs/_build/html` is the last step of `make docs`. What a page loads,
such as figures and scripts, must be local: the site is read without a network.
"""

import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"img", "script", "source", "iframe", "video"}


class Page(HTMLParser):
    """Collects what a page links to, what it loads, and its places.

    Attributes:
        links: what `a` elements name.
        loaded: what the page needs to be shown.
        places: the ids on the page.
    """

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.places: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Reads one element."""
        named = {name: value for name, value in attrs if value}
        if "id" in named:
            self.places.add(named["id"])
        if tag == "a" and "href" in named:
            self.links.append(named["href"])
        if tag in LOADED and "src" in named:
            self.loaded.append(named["src"])
        if tag == "link" and named.get("rel") == "stylesheet":
            self.loaded.append(named["href"])


@cache
def read(path: Path) -> Page:
    """The page in a file."""
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def wrong_links(folder: Path) -> list[str]:
    """A sentence for every dead link, and for all that is loaded from elsewhere."""
    wrong = []
    for path in sorted(folder.rglob("*.html")):
        page = read(path)
        where = path.relative_to(folder)
        wrong += [f"{where}: loads {one}" for one in page.loaded if remote(one)]
        local = [one for one in (*page.links, *page.loaded) if not remote(one)]
        wrong += [f"{where}: {one} is not there" for one in local if dead(one, path)]
    return wrong


def remote(link: str) -> bool:
    """Whether a link leaves the site; what is written into the page itself does not."""
    parts = urlsplit(link)
    return parts.scheme not in ("", "data", "file") or bool(parts.netloc)


def dead(link: str, path: Path) -> bool:
    """Whether a local link of the page in `path` leads nowhere."""
    parts = urlsplit(link)
    if parts.scheme == "data":
        return False
    target = path
    if parts.path:
        target = path.parent / unquote(parts.path)
    if target.is_dir():
        target = target / "index.html"
    if not target.exists():
        return True
    is_page = target.suffix == ".html"
    return is_page and bool(parts.fragment) and unquote(parts.fragment) not in read(target).places


def main() -> None:
    """Checks the folder that the command line names."""
    folder = Path(sys.argv[1])
    if not (folder / "index.html").exists():
        sys.exit(f"Expected a built site in {folder}.")
    wrong = wrong_links(folder)
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{len(list(folder.rglob('*.html')))} pages: every link inside leads somewhere")


if __name__ == "__main__":
    main()
