"""Signs that a training is lost, told once each, with what to try."""

import logging

from superres.config import Phase
from superres.training.journal import Tracker
from superres.training.standing import Standing

log = logging.getLogger(__name__)

PATIENCE = 200  # updates in a row before a sign counts
CERTAIN = 0.99  # of real; 1 - CERTAIN of made: nothing is left to learn from the discriminator
APART = 0.01  # less between the mean verdicts on real and made: nothing is told apart
EXPLODED = 1000.0  # times the usual norm of the gradient
FELL = 1.0  # dB below the best of the phase
FLAT = 0.1  # share of HR's contrast; a failed generator paints one grey

ADVICE = {
    "not_finite": (
        "a loss is not finite and the update is skipped: lower optimizer.learning_rate, set "
        "grad_clip (as 1.0), or lengthen the first phase without 'adversarial'"
    ),
    "discriminator_won": (
        "the discriminator is never wrong any more, so that the generator learns nothing from it: "
        "set label_smoothing (0.1), dropout in the discriminator or fewer channels, lower "
        "discriminator_optimizer.learning_rate, or take objective lsgan or wgan-gp"
    ),
    "discriminator_blind": (
        "the discriminator tells nothing apart: give it d_warmup, d_steps 2, more channels or a "
        "higher discriminator_optimizer.learning_rate"
    ),
    "gradient_exploded": (
        "a gradient was over 1000 times the usual; the weights may be lost: set grad_clip to about "
        "twice the usual norm (train/gradient tells it), or lower optimizer.learning_rate"
    ),
    "quality_fell": (
        "validation PSNR fell by over 1 dB within a phase that has no adversary: the weights of "
        "then are better than those of now. Stop, lower optimizer.learning_rate or set grad_clip; "
        "keep: {best: {metric: psnr, mode: max}} holds on to the best"
    ),
    "constant_output": (
        "the generator paints nearly one grey: lower optimizer.learning_rate or the adversarial "
        "weight, add a phase on mse alone before this one, or start from a trained model (init)"
    ),
}


def watch_game(
    standing: Standing, step: int, phase: Phase, losses: dict[str, float], tracker: Tracker
) -> None:
    """Count updates of a game that is over; `losses` as the adversarial update `step` gave them."""
    real, fake = losses.get("d_real"), losses.get("d_fake")
    game = phase.adversarial
    if game is None or real is None or fake is None or game.objective.startswith("wgan"):
        standing.sure = standing.blind = 0  # a Wasserstein critic's scores have no scale
        return
    standing.sure = standing.sure + 1 if real > CERTAIN and fake < 1 - CERTAIN else 0
    standing.blind = standing.blind + 1 if abs(real - fake) < APART else 0
    if standing.sure == PATIENCE:
        tell(standing, step, "discriminator_won", tracker)
    if standing.blind == PATIENCE:
        tell(standing, step, "discriminator_blind", tracker)


def watch_gradient(standing: Standing, step: int, norm: float | None, tracker: Tracker) -> None:
    """Compare the norm of an update's gradient with the usual one, once there is such."""
    if norm is None:
        return
    if standing.updates >= PATIENCE and norm > EXPLODED * standing.usual:
        tell(standing, step, "gradient_exploded", tracker)
        return  # what is usual stays so
    standing.updates += 1
    standing.usual += (norm - standing.usual) / min(standing.updates, PATIENCE)


def watch_output(
    standing: Standing, figures: dict[str, float], at: tuple[int, Phase], tracker: Tracker
) -> None:
    """Look at the figures of a validation for one grey, and for quality that is lost.

    `at`: number of the phase and the phase, as `phase_at` tells them.
    """
    if figures.get("diagnostics/contrast", 1.0) < FLAT:
        tell(standing, standing.step, "constant_output", tracker)
    number, phase = at
    if number != standing.high_of:
        standing.high, standing.high_of = None, number  # other losses may want less of PSNR
    psnr = figures.get("val/psnr")
    if psnr is not None and phase.adversarial is None:  # an adversary takes some on purpose
        if standing.high is not None and psnr < standing.high - FELL:
            tell(standing, standing.step, "quality_fell", tracker)
        standing.high = psnr if standing.high is None else max(standing.high, psnr)


def tell(standing: Standing, step: int, sign: str, tracker: Tracker) -> None:
    """Warn of a sign seen at `step` and tag the run with it, once.

    Figures are read a few updates after they were made: `standing.step` may be elsewhere by then.
    """
    if sign in standing.signs:
        return
    standing.signs.append(sign)
    log.warning("step %d: %s", step, ADVICE[sign])
    tracker.tag(step, f"health.{sign}", f"step {step}")
