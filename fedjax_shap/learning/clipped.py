"""Which updates were clipped in the training of everyone: how far a bound on members reaches."""

import jax
import jax.numpy as jnp
import numpy as np

from fedjax_shap.coalitions import Coalition, gather
from fedjax_shap.learning.learner import Learner
from fedjax_shap.learning.train import begun
from fedjax_shap.learning.world import Run, World
from fedjax_shap.typing import Array, HostArray, Key


def clipped_updates(learning: Learner, key: Key) -> HostArray:
    """Follows the training of everyone.

    Args:
        learning: a training with privacy.
        key: seeds mini-batches and noise, as in the game.

    Returns:
        float64[R, C]: 1 where the update of a client was changed before it was summed, 0 where it
        was not, NaN where there was none.
    """
    world = learning.world
    rounds = learning.algorithm.max_rounds
    present = np.asarray(world.present)[:rounds]
    everyone = jnp.ones(world.data.num_clients, bool)
    slots = max(int(present.sum(axis=1).max()), 1)
    found = np.full(present.shape, np.nan)

    @jax.jit
    def step(
        world: World, key: Key, number: Array, run: Run, coalition: Coalition
    ) -> tuple[Array, Run]:
        sent = learning.collect(world, key, number, run, coalition)
        share = world.share(sent.weights.sum(), world.weights.sum())
        return sent.extra, learning.advance(run, sent, share)

    run = Run(world.initial, world.server, ())
    for number, here in enumerate(present):
        of_round = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), gather(here[None], slots))
        # the noise is that of everyone's sum, whoever was drawn
        coalition = Coalition(everyone, of_round.members, of_round.present)
        run = Run(run.params, run.server, begun(world, coalition).clients)
        flags, run = step(world, key, jnp.int32(number), run, coalition)
        found[number, here] = np.asarray(flags)[: here.sum()] < 0
    return found
