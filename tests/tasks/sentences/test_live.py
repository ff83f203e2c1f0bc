"""Tags so far are the likeliest of the words so far."""

from __future__ import annotations

import pytest
import torch

from throughtime.layers.crf import CRF
from throughtime.tasks.sentences.live import Course


@pytest.mark.parametrize("seed", range(6))
def test_the_course_so_far_is_viterbis(seed: int) -> None:
    torch.manual_seed(seed)
    allowed = torch.rand(5, 5) < 0.8 if seed % 2 else None
    if allowed is not None:
        allowed[0], allowed[:, 0] = True, True
    crf = CRF(4, allowed)
    torch.nn.init.normal_(crf.transitions, std=1.0)
    course = Course(crf.scores_between().detach().double().numpy())
    assert course.labels() == []
    scores = 2.0 * torch.randn(1, 30, 4)
    for length in range(1, 31):
        course.add(scores[0, length - 1].numpy())
        if length % 3 != 1:  # what is not asked for is there all the same
            assert course.labels() == crf.viterbi(scores[:, :length], torch.tensor([length]))[0]
