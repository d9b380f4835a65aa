"""English texts of the review: why a sighting is proposed, what patients remember."""

from __future__ import annotations

TEXTS = {
    "fact_travel": "Way here",
    "fact_detail": "Detail",
    "detail": "{pixels:.0f} px/m, {worth}",
    "detail_identify": "identifies",
    "detail_recognise": "recognises",
    "detail_observe": "describes",
    "detail_detect": "detects only",
    "detail_monitor": "too coarse",
    "travel_first": "first sighting",
    "travel_aside": "not on the path",
    "travel_still": "stayed near",
    "travel_walk": "fits walking ({speed:.1f} m/s)",
    "travel_cycle": "fits cycling ({speed:.1f} m/s)",
    "travel_vehicle": "only by vehicle ({speed:.1f} m/s)",
    "travel_too_fast": "too fast ({speed:.0f} m/s)",
    "reason_short": "{episodes}×, {metres:.1f} m, {patient} · {contact}",
    "why": "Why this one?",
    "why_seed": "An investigator pointed at this person: the trace starts here.",
    "why_similar": "Alike by {evidence}: {similarity:.2f} of 1.",
    "why_ratio": "This likeness is about {ratio:,.0f} times likelier for the "
    "patient than for a stranger: {name} evidence.",
    "why_ratio_against": "This likeness is about {ratio:,.0f} times likelier "
    "for a stranger: evidence against.",
    "why_from": "From sighting {other}: {metres:,.0f} m in {time}, {verdict}.",
    "why_to": "To sighting {other}: {metres:,.0f} m in {time}, {verdict}.",
    "why_mask": "A mask covers half of the face: a lead, not an identification.",
    "why_posterior": "All evidence together, with place and time: "
    "{posterior:.0%} that this is the patient.",
    "why_aside": "Another way through the sightings explains the rest better, "
    "so it is not on the path.",
    "strength_very_strong": "very strong",
    "strength_strong": "strong",
    "strength_fairly_strong": "moderately strong",
    "strength_moderate": "moderate",
    "strength_weak": "weak",
    "strength_none": "hardly any",
    "strength_against": "opposing",
    "job_left": "about {time} left",
    "layer_anchors": "Patient's statements",
    "anchor": "Statement",
    "anchors": "What the patient remembers ({number})",
    "anchors_note": "Statements help the next trace as soft evidence; people "
    "err, and what the cameras show can outweigh them. The words are kept "
    "encrypted.",
    "anchor_fits": "fits: {metres:.0f} m from the path",
    "anchor_apart": "apart: {metres:,.0f} m from the path",
    "anchor_unknown": "the path says nothing of this time",
    "anchor_at": "When",
    "anchor_minutes": "Sure within, minutes",
    "anchor_camera": "Near a camera",
    "anchor_camera_help": "Choose or type",
    "anchor_metres": "Sure within, metres",
    "anchor_words": "In words",
    "anchor_where": "Or latitude, longitude",
    "anchor_add": "Enter the statement",
    "anchor_added": "The statement is entered; trace again to use it.",
    "anchor_no_place": "Choose a camera, or give latitude and longitude like "
    "37.503, 126.783.",
    "anchor_remove": "Remove: {what}",
    "column_anchor_when": "When",
    "column_anchor_place": "Where",
    "column_anchor_fit": "Against the path",
    "column_anchor_by": "Entered by",
}
