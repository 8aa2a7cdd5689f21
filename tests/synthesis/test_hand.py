"""A hand's habits hang together as a person's do."""

import numpy as np

from sigzoo.synthesis.hand import Hand


def test_who_writes_fast_repeats_himself_less_exactly():
    hands = [Hand.draw(np.random.default_rng(seed)) for seed in range(400)]
    legible = [hand for hand in hands if hand.neglect == 0.0]
    pace = np.array([hand.pace for hand in legible])
    for habit in ("steadiness", "looseness"):
        spread = np.log([getattr(hand, habit) for hand in legible])
        assert np.corrcoef(pace, spread)[0, 1] < -0.4


def test_no_hand_varies_beyond_recognition():
    hands = [Hand.draw(np.random.default_rng(seed)) for seed in range(400)]
    spread = [hand.steadiness for hand in hands]
    assert 0.5 < min(spread) < 0.8
    assert 1.4 < max(spread) < 1.8
