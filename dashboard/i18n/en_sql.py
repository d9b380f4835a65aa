"""English texts of the SQL page: its editor and the worked queries."""

from __future__ import annotations

TEXTS = {
    "sql_placeholder": "One SELECT over the views on the right",
    "sql_keys": "Complete a name: Ctrl+Space. Run: Ctrl+Enter. Leave the editor: Esc, "
    "then Tab.",
    "sql_purpose_first": "analysis of observations",
    "sql_filter": "Find a column",
    "sql_filter_none": "No view or column has this in its name or meaning.",
    "worked_footage": "Which footage was analysed on a day, and how much of it?",
    "worked_passes": "How many passes were seen by hour and dong?",
    "worked_mask_share": "What share wore a mask, by dong and hour?",
    "worked_mask_sure": "How sure are the mask predictions, by width of the face?",
    "worked_stay": "Where do people stay longest before a camera?",
    "worked_crowded": "How crowded was each cell in each minute?",
    "worked_blind": "Which cameras of the network have no analysed footage at all?",
    "worked_gaps": "How do the last passes of each camera follow one another?",
    "worked_cumulative": "How many passes had each dong in the 24 hours to each hour?",
    "worked_as_of": "Who passed a camera last before each pass, and how long before?",
    "worked_case_contacts": "How many contacts does each case have, close and casual?",
    "worked_case_masks": "How does the dose index go with masks?",
    "worked_case_exposure": "Where and when were most people exposed?",
    "worked_case_path": "How much of each case's path was seen, and how much inferred?",
}
