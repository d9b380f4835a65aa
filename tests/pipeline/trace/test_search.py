"""Search and its calibration."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.trace import calibration, face_laws, review
from pipeline.trace import constants as c
from pipeline.trace.observations import Scope
from pipeline.trace.search import Faces, days, search, templates_of
from pipeline.trace.templates import Template


@given(
    st.floats(-1, 1),
    st.floats(-1, 1),
    st.floats(5, 300),
    st.sampled_from(
        [
            calibration.BARE,
            calibration.ONE_MASKED,
            calibration.BOTH_MASKED,
            calibration.MASK_AWARE,
        ]
    ),
)
@settings(deadline=None, max_examples=100)
def test_more_alike_is_never_less_evidence(a, b, width, masks):
    low, high = sorted([a, b])
    one, other = calibration.face_llr(
        np.array([low, high]), np.full(2, width), np.full(2, masks)
    )
    assert one <= other
    assert np.log(c.FACE_MISS_SHARE) - 0.01 <= one
    assert other <= -np.log(c.FACE_ALIKE_SHARE) + 1e-9


@pytest.mark.parametrize(
    ("cosine", "far", "tar"), [(0.531, 1e-4, 0.946), (0.598, 1e-5, 0.88)]
)
def test_face_laws_pass_through_the_measured_points(cosine, far, tar):
    x = np.linspace(-1, 1, 200_001)
    step = x[1] - x[0]
    law = face_laws.of("mobilefacenet").kinds[calibration.BARE].at(112.0)
    impostor = law.stranger(x)
    assert impostor.sum() * step == pytest.approx(1, abs=0.005)
    assert impostor[x >= cosine].sum() * step == pytest.approx(far, rel=0.25)
    genuine = law.genuine(x)
    genuine /= genuine.sum()  # a cosine is at most 1
    assert genuine[x >= cosine].sum() == pytest.approx(tar, abs=0.02)


def test_small_and_masked_faces_say_less():
    alike = np.full(4, 0.9)
    bare = np.full(4, calibration.BARE)
    llr = calibration.face_llr(alike, np.array([112, 60, 25, 15]), bare)
    assert llr[0] > 10
    assert llr[2] == c.FACE_SMALL_CAP
    assert llr[3] == 0
    masked = calibration.face_llr(alike[:1], np.array([112.0]), np.array([1]))
    assert masked[0] == c.FACE_MASKED_CAP
    assert calibration.face_llr(np.array([np.nan]), np.array([60.0]), bare[:1])[0] == 0


def test_appearance_is_weak_and_bounded():
    cohort = np.random.default_rng(0).normal(0.5, 0.1, 1000)
    llr = calibration.appearance_llr(np.array([-1, 0.5, 0.8, 0.99, np.nan]), cohort)
    assert llr[0] == c.APPEARANCE_FLOOR
    assert llr[1] < 0 < llr[2] < llr[3] <= c.APPEARANCE_CAP
    assert llr[4] == 0


def test_dates_are_those_of_seoul():
    midnight = 1_762_095_600  # 2025-11-02 15:00 UTC = 2025-11-03 00:00 in Seoul
    before, after = days(np.array([midnight - 1, midnight]))
    assert after == before + 1


@pytest.fixture
def few(world, authorise):
    number = world.camera(0, 0)
    patient, other = world.person(), world.person()
    world.stand(patient, number, 10, 5)
    world.stand(patient, number, 30, 5)
    world.stand(other, number, 50, 5)
    world.stand(patient, number, 70, 5, mask="worn", face_cos=0.7)
    world.stand(patient, number, 86_100, 5, face=False)
    world.film(number, 0, 3600)
    world.film(number, 86_000, 300)
    world.patient, world.other = patient, other
    return Scope(authorise(), world.settings, world.publish()).passes()


def test_evidence_of_a_small_crowd(few, world):
    evidence = search(few, templates_of(few, 0))
    assert evidence.llr[1] > 10 > 0 > evidence.llr[2]
    assert evidence.kind.tolist() == [
        "face+appearance", "face+appearance", "none", "face+appearance", "none",
    ]  # fmt: skip
    assert 0 < evidence.face_llr[3] <= c.FACE_MASKED_CAP
    # The next day clothing says nothing, and there is no face: nothing is known.
    assert evidence.llr[4] == 0


def test_embeddings_of_other_models_are_never_compared(few, world):
    vector = world.patient.face.astype(np.float32)
    strange = Template("face", "another-model", vector)
    evidence = search(few, [strange])
    assert (evidence.llr == 0).all()
    assert any("not calibrated" in remark for remark in evidence.remarks)
    assert any("mobilefacenet" in remark for remark in evidence.remarks)


def test_a_rejected_look_alike_is_doubted_again(few, world):
    templates = templates_of(few, 0)
    plain = search(few, templates)
    against = search(few, templates, rejected=templates_of(few, 1))
    assert against.llr[1] < plain.llr[1] - 5
    assert against.llr[2] <= plain.llr[2] + 0.1


def test_several_views_are_averaged_as_likelihoods(few):
    one = [t for t in templates_of(few, 0) if t.kind == "face"]
    once, twice = search(few, one), search(few, one * 2)
    np.testing.assert_allclose(once.llr, twice.llr)
    odd = Template("face", one[0].model, -one[0].vector)
    mixed = search(few, [*one, odd])
    assert mixed.llr[1] == pytest.approx(once.llr[1] - np.log(2), abs=0.01)


def test_stored_quantised_vectors_give_the_exact_cosine(few, world):
    evidence = search(few, templates_of(few, 0))
    a, b = (world.passes[k]["face"] for k in (0, 1))
    truth = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    assert evidence.similarity[1] == pytest.approx(truth, abs=1e-3)


def test_a_template_for_masked_faces_stands_in_before_masks_only(few, world):
    bare, masked = world.passes[0]["face"], world.passes[3]["face"]
    away = (world.other.face - world.other.face @ masked * masked).astype(np.float32)
    away /= np.linalg.norm(away)
    plain = Template("face", "mobilefacenet", away)
    aware = replace(plain, masked_vector=masked.astype(np.float32))
    before, after = search(few, [plain]), search(few, [aware])
    assert after.similarity[3] == pytest.approx(1, abs=1e-3)
    assert after.face_llr[3] > 2 > 0 > before.face_llr[3]
    np.testing.assert_array_equal(after.face_llr[:3], before.face_llr[:3])
    swapped = search(few, [replace(plain, vector=bare, masked_vector=away)])
    assert swapped.face_llr[1] > 10
    assert swapped.face_llr[3] < 0
    strong = Faces(few, [aware]).strong(2.0, 1)
    assert 3 in strong.tolist()
    assert not {0, 1} & set(strong.tolist())


def test_verdicts_become_evidence():
    decided = review.apply(
        {
            1: {"kim": "accept"},
            2: {"kim": "accept", "lee": "accept"},
            3: {"kim": "reject"},
            4: {"kim": "accept", "lee": "reject"},
            5: {"kim": "unsure"},
        }
    )
    assert decided.certain == {1, 2}
    assert decided.confirmed == {2}
    assert decided.rejected == {3}
    assert [decided.state(k) for k in range(1, 7)] == [
        "proposed", "confirmed", "rejected", "unsure", "unsure", "proposed",
    ]  # fmt: skip
