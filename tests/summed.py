"""Secure sums for tests: random bytes by seed, sessions played on networks that misbehave."""

import numpy as np

from fedjax_shap.privacy.sealing import identity
from fedjax_shap.protocols.delivery import all_arrive
from fedjax_shap.protocols.secure_sum import exchange
from fedjax_shap.protocols.sum_member import Member
from fedjax_shap.protocols.sum_session import session


def entropy_of(seed):
    """Random bytes that are the same each time."""
    return np.random.default_rng(seed).bytes


def parties(num, *, length=3, seed=0, against="server", name="a sum", words=None, threshold=None):
    """A session and its members, with random words of all 32 bits."""
    entropy = entropy_of(seed)
    names = [f"m{i}" for i in range(num)]
    if words is None:
        words = np.random.default_rng(seed + 1).integers(0, 2**32, (num, length), dtype=np.uint32)
    identities = {one: identity(entropy) for one in names}
    agreed = session(
        names,
        name=name,
        length=words.shape[1],
        threshold=threshold,
        against=against,
        identities={one: identities[one].public for one in names},
    )
    members = [
        Member(agreed, one, own, entropy=entropy, identity=identities[one])
        for one, own in zip(names, words, strict=True)
    ]
    return agreed, members, words


def play(num, *, network=all_arrive, **how):
    """(what came of a session whose transcript keeps contents, the words)."""
    agreed, members, words = parties(num, **how)
    return exchange(agreed, members, network=network, keep=True), words


class Unreliable:
    """A network that loses, delays, repeats and reorders, and brings what was sent elsewhere."""

    def __init__(self, seed, *, loss=0.0, delay=0.0, repeat=0.0, foreign=()):
        self._random = np.random.default_rng(seed)
        self._chances = (loss, delay, repeat)
        self._foreign = list(foreign)
        self._delayed = []
        self._sent = []
        self.carried = []

    def __call__(self, _stage, messages):
        loss, delay, repeat = self._chances
        arriving = [
            *self._delayed,
            *self._some(self._sent, repeat),
            *self._some(self._foreign, 0.1),
        ]
        self._delayed = []
        self._sent += messages
        for message in messages:
            fate = self._random.random()
            if fate < loss:
                continue
            if fate < loss + delay:
                self._delayed.append(message)
                continue
            arriving += [message] * (1 + (self._random.random() < repeat))
        self._random.shuffle(order := list(range(len(arriving))))
        self.carried += [arriving[i] for i in order]
        return [arriving[i] for i in order]

    def _some(self, messages, chance):
        return [message for message in messages if self._random.random() < chance / 5]
