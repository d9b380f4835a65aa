"""Values of the trace model, each beside where it comes from.

"Measured" means measured on public pictures with the weights named; "assumed"
means nobody measured it for this city yet: it is stated so that it can be argued
with, and replaced. `docs/trace-model.md` explains how each is used.
"""

from __future__ import annotations

from typing import Final

# --- Rule of contact -------------------------------------------------------------
#: Metres within which two people are in contact. Korea Disease Control and
#: Prevention Agency, COVID-19 response guidelines for local governments (close
#: contact: within 2 m); CDC, "close contact", within 6 feet.
CONTACT_METRES: Final = 2.0
#: Cumulated seconds in any 24 hours that make a contact close. CDC, October 2020;
#: Pringle et al., MMWR 69(43):1569-1570 (2020), doi:10.15585/mmwr.mm6943e1.
CLOSE_SECONDS: Final = 15 * 60.0
#: Length of the sliding window of cumulation, seconds (same sources).
CUMULATION_SECONDS: Final = 24 * 3600
#: Moments within the rule no farther apart than this are one episode (assumed).
EPISODE_GAP_SECONDS: Final = 10
#: A track is interpolated over gaps between detections up to this (assumed: at
#: 1.4 m/s a person walks 7 m meanwhile).
INTERPOLATION_GAP_SECONDS: Final = 5.0
#: Two boxes of one frame that overlap more than this (median of intersection over
#: union) are one body found twice, not a contact (assumed).
SAME_BODY_IOU: Final = 0.7

# --- Faces -----------------------------------------------------------------------
# What similarities mean by recogniser, width and mask: `face_laws.json`.
#: Mean cosine of two people's full bare faces (MobileFaceNet on LFW, 29.6 million
#: pairs), taken where a similarity was too low to be kept.
FACE_IMPOSTOR_MEAN: Final = 0.0137
#: Least and largest face width (pixels) that the laws tell apart.
FACE_WIDTHS_PX: Final = (16.0, 112.0)
#: Share of a patient's faces that say nothing (profile, blur, occlusion): LFW is
#: near-frontal, a street is not (assumed). Bounds the evidence against.
FACE_MISS_SHARE: Final = 0.15
#: Share of strangers as alike as the patient to himself (twins, look-alikes):
#: nothing above 1e-6 was measured. Bounds the evidence for.
FACE_ALIKE_SHARE: Final = 1e-6
#: Upper bounds (natural logarithm) where a face is a lead, not an identification:
#: masked on either side; between 20 and 30 pixels wide (the figures above are of
#: pictures made small, which keep more than a small picture: of the five pairs of
#: faces of 24 to 30 pixels of different people in the demo's real clips the cosines
#: are 0.25 to 0.50, mean 0.40). Narrower: nothing.
FACE_MASKED_CAP: Final = 7.0
FACE_SMALL_CAP: Final = 1.0
#: Likeness of the errors of several faces of one person: who looks like the patient
#: does so in every view (Kish, Survey Sampling, 1965, section 5.4: n views are worth
#: n / (1 + (n - 1) r); r chosen so that one in e^x strangers of a simulated city
#: reaches x).
FACE_VIEWS_ALIKE: Final = 0.25
#: Least evidence of several faces of one walk: tracklets do change bodies (assumed).
FACES_FLOOR: Final = -8.0
#: Many good faces: one in nine million is as alike (twins come one in a thousand, but
#: are dressed and go their own ways).
FACES_CAP: Final = 16.0
FACE_SMALL_PX: Final = 30.0
FACE_LEAST_PX: Final = 20.0

# --- Appearance (clothing) ---------------------------------------------------------
# Cosines are drawn out by Fisher's transformation (atanh; Fisher, Biometrika
# 10:507-521, 1915, doi:10.1093/biomet/10.4.507) and standardised by the strangers
# of the same search (cohort normalisation; Auckenthaler, Carey & Lloyd-Thomas,
# Digital Signal Processing 10:42-54, 2000, doi:10.1006/dspr.1999.0360).
#: Strangers are then N(0, 1); the same person before another camera N(mean, sd)
#: (assumed: no set with truth was to be had).
APPEARANCE_GENUINE_MEAN: Final = 2.0
APPEARANCE_GENUINE_SD: Final = 1.0
#: Strangers' median and spread of atanh(cosine), and how many strangers that belief
#: is worth where few are seen. Measured: 378 pairs of 28 passes of one street clip
#: (`parts-colour-texture-1`): quantiles 5/50/95 % at cosines -0.13/0.43/0.87.
APPEARANCE_COHORT_MEDIAN: Final = 0.45
APPEARANCE_COHORT_SPREAD: Final = 0.5
APPEARANCE_COHORT_WEIGHT: Final = 10.0
#: Least spread, so that a uniform crowd cannot make chance look like evidence.
APPEARANCE_LEAST_SPREAD: Final = 0.25
#: Largest cosine told apart.
APPEARANCE_LARGEST_COSINE: Final = 0.995
#: One in 200 passers-by dresses alike to a camera (assumed): ln 200.
APPEARANCE_CAP: Final = 5.3
# Where a day has this many passes, its own spread is measured (`trace.clothing`).
CLOTHING_LEAST_PASSES: Final = 400
#: Axes kept: those that hold this share of the spread, at most so many.
CLOTHING_SPREAD_KEPT: Final = 0.9
CLOTHING_AXES: Final = 16
#: Share of a day's spread that views of one person differ by (assumed).
CLOTHING_VIEW_SHARE: Final = 0.35
#: Likeness of the errors of views of one person (assumed): so many views are worth
#: n / (1 + (n - 1) r) independent ones. Kish, Survey Sampling (1965), section 5.4.
CLOTHING_VIEWS_ALIKE: Final = 0.1
#: Several views of each side: one in 3,000 dresses alike all the same; and clothes
#: unlike in several views: a coat taken off, a tracklet that changed bodies.
CLOTHING_CAP: Final = 8.0
CLOTHING_FLOOR: Final = -4.0
#: A coat taken off, other light: ln 0.2.
APPEARANCE_FLOOR: Final = -1.6

# --- Path ------------------------------------------------------------------------
#: Prior that the patient is anywhere in the searched footage when nobody was
#: pointed at (assumed: an order names a window and area with reason).
PRIOR_PRESENT: Final = 0.5
#: Passes that one person makes in the searched footage of a day or so (assumed): so
#: many of them are one stranger, who is the patient or is not.
PASSES_OF_A_PERSON: Final = 20.0
#: Prior that after a sighting there is a further one in the searched footage.
PRIOR_NEXT: Final = 0.85
#: Share of next sightings that come soon, and the means of soon and late, seconds
#: (assumed: walking on, or staying somewhere first).
NEXT_SOON_SHARE: Final = 0.7
NEXT_SOON_SECONDS: Final = 300.0
NEXT_LATE_SECONDS: Final = 4 * 3600.0
#: Spread of a person's place (1 sd, metres) after t seconds: base + speed * t, not
#: above the limit; on foot, and by a vehicle, with its share of legs (assumed).
SPREAD_BASE_M: Final = 40.0
SPREAD_WALK: Final = (0.9, 1500.0)
SPREAD_VEHICLE: Final = (4.0, 6000.0)
VEHICLE_SHARE: Final = 0.25
#: Clocks of two cameras may differ: each second missing to the least travel time
#: costs, one sd being this; some clocks are simply wrong, up to the limit, and this is
#: the share of steps that such a clock would excuse; beyond the limit a step is
#: impossible (assumed).
CLOCK_SD_SECONDS: Final = 5.0
CLOCK_WRONG_SHARE: Final = 0.04
CLOCK_LIMIT_SECONDS: Final = 60.0
#: Two cameras may see a person at one moment if the places are this near, metres.
OVERLAP_METRES: Final = 30.0
#: Passes before one camera may overlap this much and still be one person, seconds.
SAME_CAMERA_OVERLAP_SECONDS: Final = 0.5
#: Probability that what a patient remembers of place and time is right, within what he
#: is unsure of (assumed; recall of one's own whereabouts errs by the hour and the
#: street within days).
REMEMBERED_TRUE: Final = 0.9
#: Candidates kept for the path (the most alike); the work grows with its square.
MAX_CANDIDATES: Final = 400
#: Of those who come late: share that come back out where they were lost (a home, a
#: shop, a workplace), within so many metres (1 sd) (assumed).
STAY_SHARE: Final = 0.5
STAY_SPREAD_M: Final = 60.0
#: Gaps: metres to either side of the straight line within which cameras are counted,
#: half the width of what a street camera sees, and share of passes that a recording
#: camera misses (assumed).
GAP_BAND_M: Final = 30.0
GAP_SIGHT_M: Final = 15.0
GAP_MISS_SHARE: Final = 0.15
# Walks: passes of one person that follow each other from camera to camera.
#: Longest time out of view within a walk, and share of walkers seen again within it.
WALK_GAP_SECONDS: Final = 180.0
WALK_ON_SHARE: Final = 0.6
WALK_GAP_MEAN_SECONDS: Final = 45.0
#: Straight-line speed of walkers (mean, sd), m/s: Bohannon's gait over the detour
#: factor; others stand, run or ride: this share, up to the limit.
WALK_SPEED: Final = (1.15, 0.25)
WALK_ODD_SHARE: Final = 0.15
WALK_FASTEST: Final = 2.5
#: Least evidence of clothing, where it was seen, that a pass goes on with a walk.
WALK_LEAST_ALIKE: Final = 0.0
#: Least probability that the best pass goes on with a walk, for it to be taken.
WALK_LEAST_LINK: Final = 0.5
#: Passes of one walk at most, either way (an hour of standing, cut each 30 s).
WALK_STEPS: Final = 120
#: How far the clothing of a single pass moves evidence within its walk (assumed: the
#: views of a walk share light and angle, so the difference counts for half).
WALK_VIEW_SHARE: Final = 0.5
#: Least share of walks whose passes are of two people, whatever the evidence.
WALK_BROKEN: Final = 0.01
#: Share of strangers' passes that begin a walk (the rest go on with one).
WALK_BEGIN_SHARE: Final = 0.6
#: Faces looked at more closely: the most alike, from this evidence on.
ANCHORS: Final = 100
ANCHOR_LLR: Final = 2.5
#: Best walks that are supposed to be the patient's in turn.
SUPPOSITIONS: Final = 10
#: Least evidence of clothing for walks of one day to be of one person, where nobody
#: is known yet.
PERSON_LLR: Final = 1.0
#: Persons whose passes without a face are sought.
PURSUED: Final = 3
#: Passes without a face looked at more closely, for each stretch of time between two
#: certain sightings, and the least evidence of their clothing.
JOINERS: Final = 40
JOINER_LLR: Final = 0.0
#: Passes whose clothing is looked at in such a stretch: the best in reach.
REACHED: Final = 20_000
#: Passes are not as independent as the chain takes them to be: where no map of
#: posteriors was fitted (`trace.posteriors`), their log odds are scaled by this (Guo et
#: al., On calibration of modern neural networks, ICML 2017, arXiv:1706.04599; chosen
#: between simulated cities of 50 % and 95 % masks).
POSTERIOR_TEMPER: Final = 0.75
#: Least log-likelihood ratio of a candidate.
CANDIDATE_LLR: Final = 0.0
#: Posterior from which a sighting by face lends its clothing to the search.
APPEARANCE_FROM_POSTERIOR: Final = 0.95
#: Share of a rejected person's passes among all passes near the patient's
#: (assumed): how far a look-alike who was rejected once is doubted again.
REJECTED_SHARE: Final = 0.05
#: Speeds (m/s) up to which a leg is called still, walk, cycle; above: vehicle.
#: Walking: Bohannon, Age and Ageing 26:15-19 (1997), comfortable to fast gait.
MODE_LIMITS: Final = (("still", 0.2), ("walk", 2.5), ("cycle", 7.0))

# --- Same contact before several cameras --------------------------------------------
#: Log-likelihood ratio from which two passes within one case are one contact.
CONTACT_LINK_LLR: Final = 4.6
#: Who is near the patient for so many seconds and so large a share of what the camera
#: shows of both goes along with him; of those, at cameras that follow each other within
#: a walk, this log-likelihood ratio is enough: as a rule it is the same person who goes
#: along (assumed: as likely as not before anything is compared).
ALONG_SECONDS: Final = 8
ALONG_SHARE: Final = 0.5
ALONG_LINK_LLR: Final = 0.0

#: People who are together for so long: seconds; metres beyond the rule at which they
#: are looked for; seconds to either side over which their offset is averaged (assumed:
#: ten passes, each with its own error).
STEADY_SECONDS: Final = 60.0
STEADY_METRES: Final = 3.0
STEADY_WINDOW_SECONDS: Final = 150
#: Somebody who was near the patient before so many cameras, in so large a share of the
#: patient's passes from the first to the last of them, over so many metres, goes with
#: him (assumed).
COMPANION_CAMERAS: Final = 2
COMPANION_SHARE: Final = 0.5
COMPANION_METRES: Final = 20.0
#: Seconds near the patient before one camera from which somebody stayed beside him.
BESIDE_SECONDS: Final = 120
#: Metres within which people indoors share the air; farther apart, they are listed by
#: themselves where they would be close by time (assumed: KDCA's guidelines leave it to
#: the investigator; a room of a shop or clinic).
AIRSPACE_METRES: Final = 10.0

# --- Dose --------------------------------------------------------------------------
# Form: 1 - exp(-dose), Riley, Murphy & Riley, Am J Epidemiol 107:421-432 (1978),
# doi:10.1093/oxfordjournals.aje.a112560. Dose 1 is the reference exposure: 15
# minutes at 1 m, indoors, nobody masked. A relative index, no probability.
DOSE_REFERENCE_SECONDS: Final = 15 * 60.0
DOSE_REFERENCE_METRES: Final = 1.0
#: Exhaled air dilutes with distance as d^-e; round jet 1, sphere 2: e is uniform.
DOSE_DISTANCE_EXPONENT: Final = (1.0, 2.0)
#: Nearer than this counts as this, metres.
DOSE_LEAST_METRES: Final = 0.5
#: Masks: share held back, uniform; type and fit cannot be told from CCTV, so from
#: cloth to surgical. Pan, Harb, Leng & Marr, Aerosol Sci Technol 55:718-733
#: (2021), doi:10.1080/02786826.2021.1890687.
MASK_OUTWARD: Final = (0.3, 0.8)
MASK_INWARD: Final = (0.25, 0.75)
#: Below the nose: this share of a mask's effect is left, uniform (assumed).
MASK_INCORRECT_LEFT: Final = (0.0, 0.4)
#: Mask unknown: worn with this probability (assumed: no knowledge).
MASK_UNKNOWN_WORN: Final = 0.5
#: Outdoors this share of the indoor dose within 2 m, uniform. Indoors the odds are
#: 18.7 (6.0-57.9) times those outdoors: Bulfone, Malekinejad, Rutherford & Razani,
#: J Infect Dis 223:550-561 (2021), doi:10.1093/infdis/jiaa742; near a person the
#: difference is smaller, hence the wide upper end (assumed).
OUTDOOR_SHARE: Final = (0.05, 0.5)
#: Draws and seed of the Monte Carlo.
DOSE_DRAWS: Final = 2000
DOSE_SEED: Final = 20251103
#: H3 resolutions at which exposure is summed: districts to street corners.
H3_RESOLUTIONS: Final = (9, 10, 11, 12)
