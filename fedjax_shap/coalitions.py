"""Coalitions as masks: every subset, bit packing, and one coalition as a program sees it.

A mask is ``bool[P]``; row r of `all_subsets` holds player i where bit i of r is set, so a table
over all subsets is indexed by `ranks`.
"""

from itertools import combinations
from typing import Any

import numpy as np
from flax import struct

from fedjax_shap._validate import integer, require
from fedjax_shap.typing import Array, HostArray, Masks

MOST_PLAYERS = 24  # 2**24 coalitions is the longest table kept in memory


@struct.dataclass
class Coalition:
    """One coalition: who is in it, and its members gathered into slots so that only they train.

    Attributes:
        mask: bool[P], True for members.
        members: int32[S], the members' ids in ascending order, then padding.
        present: bool[S], False where `members` is padding.
    """

    mask: Array
    members: Array
    present: Array


@struct.dataclass
class Chunk:
    """Many coalitions, and the turns in which their players work.

    In a turn one player trains for at most G of its coalitions.

    Attributes:
        mask: bool[M, P], True for members.
        num_turns: int32[], how many turns there are; the rest of T is padding.
        player: int32[T], whose turn it is.
        rows: int32[T, G], the rows of `mask` that the player works for, then padding.
        present: bool[T, G], False where `rows` is padding.
    """

    mask: Array
    num_turns: Array
    player: Array
    rows: Array
    present: Array


def all_subsets(num_players: int) -> Masks:
    """All 2^P masks, bool[2^P, P], in the order of `ranks`, from the empty one to the full one."""
    integer("num_players", num_players, least=1, most=MOST_PLAYERS)
    rows = np.arange(2**num_players, dtype=np.uint32)
    masks = np.empty((len(rows), num_players), bool)
    for player in range(num_players):
        masks[:, player] = rows >> player & 1
    return masks


def of_size(num_players: int, size: int) -> Masks:
    """bool[C(P, size), P]: all coalitions of one size."""
    members = np.array(list(combinations(range(num_players), size)))
    masks = np.zeros((len(members), num_players), bool)
    np.put_along_axis(masks, members, True, axis=1)
    return masks


def ranks(masks: Masks) -> HostArray:
    """The row of each mask in `all_subsets`: int64[M], the sum of 2^i over members i (P <= 62)."""
    require(masks.shape[1] <= 62, f"Expected masks of at most 62 players, got {masks.shape[1]}.")
    return masks.astype(np.int64) @ (np.int64(1) << np.arange(masks.shape[1], dtype=np.int64))


def pack(masks: Masks) -> list[bytes]:
    """Each mask as bytes of its bits, the name under which its utility is stored."""
    return [row.tobytes() for row in np.packbits(masks, axis=1, bitorder="little")]


def gather(masks: Masks, slots: int) -> Coalition:
    """The coalitions of `masks` with their members in `slots` slots.

    Args:
        masks: bool[M, P].
        slots: S, at least the size of the largest coalition.

    Returns:
        A `Coalition` of mask bool[M, P], members int32[M, S], present bool[M, S].
    """
    sizes = masks.sum(axis=1)
    require(bool((sizes <= slots).all()), f"Expected slots={slots} to be at least {sizes.max()}.")
    members = np.argsort(~masks, axis=1, kind="stable")[:, :slots].astype(np.int32)
    leaves: tuple[Any, ...] = (masks, members, np.arange(slots) < sizes[:, None])  # on the host
    return Coalition(*leaves)


def chunk_of(masks: Masks, width: int) -> Chunk:
    """The coalitions of `masks` by player, each player's in turns of at most `width` (G >= 1).

    Returns:
        A `Chunk` with T = P ceil(M / G), room for players that are in every coalition.
    """
    num_coalitions, num_players = masks.shape
    turns = [
        (player, rows[start : start + width])
        for player, rows in enumerate(map(np.flatnonzero, masks.T))
        for start in range(0, len(rows), width)
    ]
    room = num_players * -(-num_coalitions // width)
    player = np.zeros(room, np.int32)
    rows = np.zeros((room, width), np.int32)
    present = np.zeros((room, width), bool)
    for turn, (who, where) in enumerate(turns):
        player[turn] = who
        rows[turn, : len(where)] = where
        present[turn, : len(where)] = True
    leaves: tuple[Any, ...] = (masks, np.int32(len(turns)), player, rows, present)  # on the host
    return Chunk(*leaves)
