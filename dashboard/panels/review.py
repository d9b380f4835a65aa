"""Verdicts on sightings, and the trace made again with them as evidence."""

from __future__ import annotations

import html
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from dashboard import access, refusals
from dashboard.i18n import Texts
from dashboard.panels import progress
from dashboard.trace_view import Trace
from pipeline.casebook import jobs, reviews
from pipeline.casebook.authorisation import Authorisation
from pipeline.casebook.tables import VERDICTS
from pipeline.settings import get_settings
from pipeline.trace import changes

#: Keys that give the verdict on the chosen sighting (Streamlit keeps r and c).
KEYS = {"accept": "a", "reject": "x", "unsure": "u"}
#: A job that no worker has taken for so long waits for one, seconds.
PATIENCE_S = 5.0
ACTIVE = ("queued", "running")
#: Where the session keeps the number of the job it waits for.
AWAITED = "awaited-job"


def verdicts(authorisation: Authorisation) -> dict[int, dict[str, str]]:
    """Return tracklet -> {reviewer: last verdict}, as of some seconds ago."""
    return access.remembered(
        _verdicts_key(authorisation),
        lambda: reviews.verdicts(authorisation, settings=get_settings()),
        seconds=20,
    )


def waiting(
    rows: list[dict[str, Any]], authorisation: Authorisation
) -> list[dict[str, Any]]:
    """Return the sightings that another person accepted and this one has not seen."""
    given = verdicts(authorisation)
    return [
        row
        for row in rows
        if authorisation.user not in (told := given.get(row["tracklet_id"], {}))
        and "accept" in told.values()
    ]


def standing(row: dict[str, Any], authorisation: Authorisation, texts: Texts) -> str:
    """Return in words what people have said about a sighting, as HTML."""
    given = verdicts(authorisation).get(row["tracklet_id"], {})
    words = [html.escape(texts.of("review", reviews.state_of(given)))]
    mine = given.get(authorisation.user)
    if mine:
        words.append(texts("review_mine", verdict=texts.of("verdict", mine)))
    others = Counter(
        verdict for user, verdict in given.items() if user != authorisation.user
    )
    words += [
        texts("review_others", number=number, verdict=texts.of("verdict", verdict))
        for verdict, number in sorted(others.items())
    ]
    return " · ".join(words)


def buttons(
    row: dict[str, Any], authorisation: Authorisation, texts: Texts, picked: bool
) -> None:
    """Offer the three verdicts; by key too, on the chosen sighting."""
    mine = verdicts(authorisation).get(row["tracklet_id"], {}).get(authorisation.user)
    number = row["sighting"]
    with st.container(horizontal=True, gap="small", key=f"verdict-{number}"):
        for verdict in VERDICTS:
            if st.button(
                texts(f"do_{verdict}"),
                key=f"{verdict}-{number}",
                type="primary" if mine == verdict else "secondary",
                shortcut=KEYS[verdict] if picked else None,
            ):
                reviews.review(
                    authorisation,
                    row["tracklet_id"],
                    verdict,
                    settings=get_settings(),
                )
                _forget(authorisation)
                st.rerun()


def bar(
    trace: Trace,
    authorisation: Authorisation,
    earlier: Trace | None,
    texts: Texts,
) -> None:
    """Offer to trace again, show how far that is, and what it changed."""
    if earlier is not None:
        st.html(_changed(earlier, trace, texts))
    if not access.may("job.queue"):
        return
    busy = _last_job(authorisation)
    active = busy is not None and busy.state in ACTIVE
    if active:
        st.fragment(_progress, run_every=1.0)(authorisation, texts)
        return
    if busy is not None and st.session_state.get(AWAITED) == busy.id:
        del st.session_state[AWAITED]
        if busy.run:
            st.session_state["wanted-run"] = busy.run
            st.session_state["compare-with"] = trace.run["run"]
            access.forget_starting("runs-")
            st.rerun()
    fresh = access.remembered(
        _fresh_key(authorisation, trace),
        lambda: reviews.count_since(
            authorisation, trace.run["made_at"], settings=get_settings()
        ),
        seconds=20,
    )
    failure = busy.failure if busy and busy.state in ("failed", "stopped") else None
    if failure and busy and busy.queued_at > trace.run["made_at"]:
        st.warning(texts("job_failed", reason=refusals.told(failure, texts)))
    if not fresh:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="retrace"):
        st.html(f"<div class='pending'>{texts('review_pending', number=fresh)}</div>")
        if st.button(texts("retrace"), key="retrace-now", type="primary"):
            number = jobs.queue(authorisation, {}, settings=get_settings())
            st.session_state[AWAITED] = number
            st.rerun()


def _progress(authorisation: Authorisation, texts: Texts) -> None:
    """Show a job that waits or runs; once it has ended, the whole page anew."""
    with access.refusals_shown():
        job = _last_job(authorisation)
        if job is None or job.state not in ACTIVE:
            st.rerun(scope="app")
            return
        waited = (datetime.now(UTC) - job.queued_at).total_seconds()
        if job.state == "queued" and waited > PATIENCE_S:
            st.warning(texts("job_no_worker"))
            return
        st.progress(min(job.progress, 100) / 100, text=progress.told(job, texts))


def _changed(before: Trace, after: Trace, texts: Texts) -> str:
    found = changes.between(
        before.sighting, after.sighting, before.contact, after.contact
    )
    made = f"{before.run['made_at'].astimezone(before.zone):%H:%M:%S}"
    if not found:
        return f"<div class='changed'>{texts('changed_nothing', when=made)}</div>"

    def places(rows: list[dict[str, Any]]) -> str:
        return ", ".join(
            f"{row['camera_id']} {row['start_at'].astimezone(after.zone):%H:%M:%S}"
            for row in rows
        )

    parts = []
    if found.joined:
        parts.append(texts("changed_joined", places=places(found.joined)))
    if found.left:
        parts.append(texts("changed_left", places=places(found.left)))
    if found.contacts_before != found.contacts_after:
        parts.append(
            texts(
                "changed_contacts",
                before=found.contacts_before,
                after=found.contacts_after,
            )
        )
    listed = "; ".join(html.escape(part) for part in parts)
    return f"<div class='changed'><b>{texts('changed', when=made)}</b> {listed}</div>"


def _last_job(authorisation: Authorisation) -> jobs.Job | None:
    found = jobs.list_jobs(authorisation, settings=get_settings())
    return found[0] if found else None


def _forget(authorisation: Authorisation) -> None:
    access.forget_starting(_verdicts_key(authorisation))
    access.forget_starting(f"fresh-{authorisation.order_id}-")


def _verdicts_key(authorisation: Authorisation) -> str:
    return f"verdicts-{authorisation.order_id}"


def _fresh_key(authorisation: Authorisation, trace: Trace) -> str:
    return f"fresh-{authorisation.order_id}-{trace.run['run']}"
