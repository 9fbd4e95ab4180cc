"""New files: whole or absent, and never in the place of another."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from fedjax_shap._validate import InvalidInputError, require


@contextlib.contextmanager
def new_file(argument: str, path: Path, *, mode: int = 0o666) -> Iterator[Path]:
    """A file to fill, which stands under `path` once the block has ended without an error, or not at all.

    Args:
        argument: what `path` is called in a refusal.
        path: where it is to stand; nothing may stand there, not even when the block ends.
        mode: who may read and write it, from the first moment on, less what the process's umask takes away.

    Yields:
        Where the empty file is for now, in the folder of `path`. Closing and syncing it is the block's business.

    Raises:
        InvalidInputError: there is something already, or the folder cannot be written to.
    """
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(8)}.tmp")
    require_absent(argument, path)
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
        yield temporary
        _put(temporary, path)
    except FileExistsError as error:
        raise InvalidInputError(_taken(argument, path)) from error
    except OSError as error:
        raise InvalidInputError(f"Expected {argument}={str(path)!r} to be writable: {error}.") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def require_absent(argument: str, path: Path) -> None:
    """Refuses a path at which something stands, a dangling link included."""
    require(not os.path.lexists(path), _taken(argument, path))


def _taken(argument: str, path: Path) -> str:
    return f"Expected {argument}={str(path)!r} to be a new file, but it exists and is never overwritten."


def _put(temporary: Path, path: Path) -> None:
    """Gives the file its name; a link, unlike a renaming, fails where the name is taken."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: renaming, after another look
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        temporary.rename(path)
    with contextlib.suppress(OSError):  # some file systems cannot bring a folder's names to disk
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
