"""Alignments for tests: parties with ids of one's own, on networks that misbehave."""

from fedjax_shap.protocols.align import exchange
from fedjax_shap.protocols.align_party import Party
from fedjax_shap.protocols.delivery import all_arrive
from fedjax_shap.protocols.ids import read_ids
from tests.summed import entropy_of


def parties_of(ids, *, session="a run", seed=0):
    """The parties of {name: ids}."""
    entropy = entropy_of(seed)
    return [
        Party(session, tuple(ids), name, read_ids(name, own), entropy=entropy)
        for name, own in ids.items()
    ]


def play(ids, *, network=all_arrive, **how):
    """What comes of an alignment whose transcript keeps contents."""
    return exchange(parties_of(ids, **how), network=network, keep=True)


def changing(stage, change):
    """A network that replaces each message of a stage by those that `change` makes of it."""

    def network(now, messages):
        if now != stage:
            return messages
        return [after for message in messages for after in change(message)]

    return network


def with_part(name, change):
    """Changes the content of one part of a message."""

    def changed(message):
        parts = [
            part._replace(content=change(part.content)) if part.name == name else part
            for part in message.parts
        ]
        return [message._replace(parts=tuple(parts))]

    return changed
