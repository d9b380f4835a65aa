"""What hours share when passes become rows of the store."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.simulate.network import Network
from pipeline.simulate.recogniser import Recogniser
from pipeline.simulate.residents import Residents


@dataclass(frozen=True)
class Maker:
    """All that is needed to turn passes into rows."""

    people: Residents
    network: Network
    law: Recogniser
    clothes: np.ndarray  #: float16 [n, CLOTHES], of the day
    clothes_basis: np.ndarray  #: float32 [CLOTHES + 1, width]
    face_model: str
    appearance_model: str
    seed: int
    duplicated: float = 0.0  #: share of camera hours stored twice
