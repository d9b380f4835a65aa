"""English texts of the pages Contacts, Briefing, Network and Start."""

from __future__ import annotations

TEXTS = {
    # contacts
    "page_contacts": "Contacts",
    "contacts_of": "Contacts of {case}",
    "contacts_lead": "Result of {when}. Contacts have pseudonyms of this case only.",
    "contacts_nobody": "The footage shows nobody within the rule's distance of the "
    "patient. Not seen is not the same as not there.",
    "contacts_filtered_out": "No contact has this class and state.",
    "contact_one": "Contact",
    "contact_choose": "Choose a row of the ranking.",
    "kpi_share": "Reached in 24 h",
    "kpi_share_help": "Of contacts of which it can be told: {in_time} reached within "
    "24 hours of being listed, {late} not; {pending} still have time.",
    "followup": "Follow-up",
    "followup_to_notify": "To notify",
    "followup_reached": "Reached",
    "followup_unreachable": "Unreachable",
    "followup_tested": "Tested",
    "followup_closed": "Closed",
    "followup_since": "Listed {when}",
    "followup_reached_at": "reached {when}",
    "followup_by": "last entered by {user}, {when}",
    "followup_two_persons": "<b>Not to be notified yet.</b> Two persons must accept a "
    "sighting at which this contact was near (page Trace).",
    "followup_not_yours": "Investigators enter what became of a contact.",
    "column_minutes_24h": "Worst 24 h",
    "column_minutes_24h_help": "Minutes within the rule's distance in the worst 24 "
    "hours; full at {minutes:.0f} minutes, from which a contact is close.",
    "minutes_format": "%.1f min",
    "column_dose_short": "Dose index",
    "column_two": "Confirmed",
    "column_two_help": "Two persons accepted a sighting at which the contact was near.",
    "column_episode_start": "Episode",
    "column_camera": "Camera",
    "column_episode_time": "Time",
    "column_metres": "Nearest",
    "column_masks": "Masks: patient · contact",
    "only_minutes": "{minutes} min",
    "sum_24h": "{time} in the worst 24 hours; close from {limit}",
    "tab_timeline": "Timeline of masks",
    "tab_network": "Network",
    "tab_export": "Export",
    "timeline_lanes": "Upper half: patient's mask; lower half: contact's.",
    "timeline_alt": "When {number} contact(s) were near, with both masks; the table of "
    "episodes holds the same facts.",
    "timeline_more": "{number} more are not drawn; narrow the list above.",
    "episode_tip": "{start}–{end}, {camera}: {seconds:.0f} s, nearest {metres:.1f} m; "
    "masks: patient {patient}, contact {contact}",
    "network_names": "Show pseudonyms and cameras",
    "network_place": "place",
    "network_place_number": "place {number}",
    "network_patient": "patient",
    "network_keys": "The thicker a line, the longer they were near.",
    "network_alt": "The patient, {places} place(s) and {contacts} contact(s) near him "
    "or her there; the ranking holds the same facts.",
    "export_note": "Every file is recorded with its digest. It holds pseudonyms, no "
    "names; what leaves the house must be deleted there as well.",
    "export_csv": "Table (CSV)",
    "export_csv_help": "One row a contact, with reason, masks, dose and follow-up.",
    "export_geojson": "Map points (GeoJSON)",
    "export_geojson_help": "One point an episode, WGS84.",
    "export_godata": "Go.Data contacts",
    "export_godata_help": "For the import of contacts there; the case's pseudonym is "
    "the source case.",
    "export_sormas": "SORMAS contacts",
    "export_sormas_help": "For the import of contacts there; dates are DD.MM.YYYY.",
}
