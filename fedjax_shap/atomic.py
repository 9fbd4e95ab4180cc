"""Files that appear whole or not at all: written under another name, flushed, then renamed."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from fedjax_shap._validate import InvalidInputError, require


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes the place of whatever stands under `path`.

    Args:
        path: where the file stands once the block has ended without an error.

    Yields:
        The file, opened for writing bytes, under a temporary name in the folder of `path`.

    Raises:
        OSError: the file cannot be written.

    Guarantees:
        Whoever reads `path` gets the old content or the new one, never a part of it. Any number of
        processes may write one path at once; one of their files stays.
    """
    with _temporary(path) as temporary:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_names(path.parent)


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Waits until nobody else, in this process or another, is in such a block for one folder.

    Where the system or the file system has no locks, nobody waits.
    """
    with contextlib.ExitStack() as unlocked:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            handle = os.open(folder, os.O_RDONLY)
            unlocked.callback(os.close, handle)  # which gives the lock back
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def creating(argument: str, path: Path, *, mode: int = 0o666) -> Iterator[Path]:
    """A file to fill that gets its name only if nothing has that name, even when the block ends.

    Args:
        argument: what `path` is called in a refusal.
        path: where the file stands once the block has ended without an error.
        mode: the permissions of the file from the first moment on, less the process's umask.

    Yields:
        The empty file's temporary path, in the folder of `path`; the block closes the file and
        flushes it to disk.

    Raises:
        InvalidInputError: something stands under `path` already, or the folder cannot be written
            to.
    """
    require_absent(argument, path)
    try:
        with _temporary(path, mode) as temporary:
            yield temporary
            _link(temporary, path)
            sync_names(path.parent)
    except FileExistsError as error:
        raise InvalidInputError(_exists(argument, path)) from error
    except OSError as error:
        raise InvalidInputError(_unwritable(argument, path, error)) from error


@contextlib.contextmanager
def writable(argument: str, path: Path) -> Iterator[None]:
    """Turns an `OSError` while writing to `path` into a refusal of `argument`."""
    try:
        yield
    except OSError as error:
        raise InvalidInputError(_unwritable(argument, path, error)) from error


def require_absent(argument: str, path: Path) -> None:
    """Refuses a path under which something stands, a dangling link included."""
    require(not os.path.lexists(path), _exists(argument, path))


def sync_names(folder: Path) -> None:
    """Flushes a folder's names to disk, on file systems that can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def _temporary(path: Path, mode: int = 0o666) -> Iterator[Path]:
    """An empty file beside `path` under a random name; removed unless the block renames it."""
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(8)}.tmp")
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
        yield temporary
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _link(temporary: Path, path: Path) -> None:
    """Gives the file its name; a link, unlike a rename, fails where the name is taken."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: look again, then rename
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        temporary.rename(path)


def _exists(argument: str, path: Path) -> str:
    return (
        f"Expected {argument}={str(path)!r} to be a new file, but it exists and is never "
        "overwritten."
    )


def _unwritable(argument: str, path: Path, error: OSError) -> str:
    return f"Expected {argument}={str(path)!r} to be writable: {error}."
