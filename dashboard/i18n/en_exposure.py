"""English texts of the page Exposure."""

from __future__ import annotations

TEXTS = {
    "page_exposure": "Exposure",
    "exposure_of": "Exposure around {case}",
    "exposure_lead": "Result of {when}. Others within the contact distance of the "
    "patient, by place and hour.",
    "exposure_scope": "Exposure of",
    "exposure_scope_case": "one case",
    "exposure_scope_all": "all cases together",
    "exposure_measure": "Colour of the map",
    "exposure_measure_time": "Contact time",
    "exposure_measure_close": "Time of close contacts",
    "exposure_measure_dose": "Dose",
    "exposure_unit_time": "Person-minutes within the contact distance; the scale is "
    "fixed",
    "exposure_unit_close": "Person-minutes of close contacts by the guideline, which "
    "knows no masks; the scale is fixed",
    "exposure_unit_dose": "Summed dose in reference exposures: 1 is 15 minutes at 1 m "
    "indoors, nobody masked; the scale is fixed",
    "exposure_amount_time": "{number} person-minutes",
    "exposure_amount_close": "{number} person-minutes of close contacts",
    "exposure_amount_dose": "dose {number}",
    "exposure_hour": "Hour with exposure",
    "exposure_ranks": "Places of the largest dose",
    "exposure_map_fit": "All places",
    "exposure_map_fit_help": "Show all places",
    "exposure_map_step_back": "To the hour before (Shift+Left)",
    "exposure_map_step_on": "To the next hour (Shift+Right)",
    "exposure_map_of_range": "Total of the range",
    "exposure_map_of_moment": "This hour only",
    "exposure_map_activity": "Exposure by hour",
    "exposure_by_hour": "By hour",
    "exposure_sides": "class knows no masks, dose does",
    "exposure_hours": "{start:02d}–{end:02d}",
    "exposure_none": "Nothing lies in the selected range.",
    "exposure_more": "{number} more places are not listed; narrow the range.",
    "exposure_grid_more": "{number} more hours are not shown; narrow the range.",
    "exposure_note": "Class: the guideline's, by minutes within its distance, blind to "
    "masks. Dose: everybody's together in reference exposures (15 minutes at 1 m "
    "indoors, nobody masked), with its 5–95 % interval; it compares places and hours "
    "and is nobody's probability of infection. Not seen is not the same as not there.",
    "exposure_all": "Exposure, all cases in force",
    "exposure_all_lead": "Hours of the day over all days, cells of 0.7 km². No person, "
    "no camera, no case.",
    "exposure_all_none": "Nothing may be shown yet.",
    "exposure_all_note": "Counts are rounded down to fives (5+), times to 5 minutes, "
    "doses to 0.1; a class with few persons, or few others beside it, is a dash. The "
    "dose is everybody's together and nobody's probability of infection.",
    "exposure_withheld": "Shown: {shown} pairs of cell and hour. Withheld: {withheld}, "
    "with fewer than {persons} persons or fewer than {cases} cases.",
    "tab_places": "Places",
    "tab_grid": "Places by hour",
    "kpi_person_minutes": "Contact time",
    "kpi_dose": "Dose (5–95 %)",
    "kpi_places": "Places",
    "kpi_hours": "Hours with exposure",
    "column_mark": "On map",
    "column_near_place": "Place (nearest camera)",
    "column_area": "Area",
    "column_person_minutes": "Contact time",
    "column_close": "Close",
    "column_casual": "Casual",
    "column_dose_sum": "Dose (5–95 %)",
    "column_who": "Contacts",
}
