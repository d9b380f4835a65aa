"""Work under an order in force: the gallery, and traces with their progress."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from dashboard import access, forms, refusals, tables
from dashboard.i18n import Texts
from dashboard.panels import progress
from pipeline.casebook import galleries, jobs
from pipeline.casebook.authorisation import Authorisation
from pipeline.casebook.orders import Order
from pipeline.errors import DongseonError
from pipeline.settings import get_settings

ACTIVE = ("queued", "running")
#: A job that no worker has taken for so long waits for one, seconds.
PATIENCE_S = 5.0
#: Older jobs are not listed.
MOST = 8
_TAGS = {"done": "good", "failed": "close", "stopped": "close"}


def show(order: Order, texts: Texts) -> None:
    """Show the gallery and the traces of a case."""
    with access.refusals_shown():
        authorisation = access.authorise(order)
        _gallery(authorisation, texts)
        tables.section(texts("jobs"))
        _start(authorisation, texts)
        active = any(job.state in ACTIVE for job in _listed(authorisation))
        listing = st.fragment(_jobs, run_every=1.0 if active else None)
        listing(order, texts, active)


def _gallery(authorisation: Authorisation, texts: Texts) -> None:
    tables.section(texts("gallery"))
    known = access.remembered(
        f"cases-gallery-{authorisation.order_id}",
        lambda: galleries.templates(authorisation, settings=get_settings()),
        seconds=30,
    )
    mine = access.may("gallery.enrol")
    if not known:
        st.caption(texts("gallery_none" if mine else "gallery_empty"))
    lines = []
    for one in known:
        what = (
            texts("gallery_tracklet", tracklet=one.tracklet_id)
            if one.kind == "tracklet"
            else texts("gallery_photo", width=one.face_width_px or 0)
        )
        by = texts("gallery_by", by=one.added_by, when=tables.when(one.added_at))
        lines.append(
            f"<li>{tables.escaped(what)} <small>{tables.escaped(by)}</small></li>"
        )
    if lines:
        st.html(f"<ul class='plain'>{''.join(lines)}</ul>")
    if mine:
        _add(authorisation, texts)


def _add(authorisation: Authorisation, texts: Texts) -> None:
    case, settings = authorisation.case, get_settings()
    with (
        st.expander(texts("gallery_add")),
        st.form(f"gallery-{case}", border=False, clear_on_submit=True),
    ):
        photo = st.file_uploader(
            texts("gallery_add_photo"),
            ["jpg", "jpeg", "png"],
            key=f"gallery-photo-{case}",
            help=texts("gallery_add_photo_help"),
        )
        tracklet = st.text_input(
            texts("gallery_add_tracklet"), key=f"gallery-tracklet-{case}"
        ).strip()
        if not st.form_submit_button(texts("gallery_add"), key=f"enrol-{case}"):
            return
        with access.refusals_shown():
            if tracklet and not tracklet.isdigit():
                raise DongseonError(texts("gallery_no_number", case=case))
            if tracklet:
                galleries.enrol_tracklet(
                    authorisation, int(tracklet), settings=settings
                )
            if photo is not None:
                # Loaded late: the inference engine takes a second.
                from pipeline.vision import enrol

                template = enrol.embed_photo(photo.getvalue(), settings.weights_dir)
                galleries.enrol_photo(authorisation, template, settings=settings)
            if tracklet or photo is not None:
                forms.tell(f"{case}: {texts('gallery_add')} ✓")


def _start(authorisation: Authorisation, texts: Texts) -> None:
    if access.may("job.queue") and st.button(
        texts("jobs_start"), key=f"start-{authorisation.case}", type="primary"
    ):
        jobs.queue(authorisation, {}, settings=get_settings())
        st.rerun()


def _jobs(order: Order, texts: Texts, was_active: bool) -> None:
    with access.refusals_shown():
        authorisation = access.authorise(order, touch=False)
        known = _listed(authorisation)
        if not known:
            st.caption(texts("jobs_none"))
        for job in known:
            _job(job, authorisation, texts)
        if was_active and not any(job.state in ACTIVE for job in known):
            access.forget_starting("runs-")
            st.rerun(scope="app")


def _job(job: jobs.Job, authorisation: Authorisation, texts: Texts) -> None:
    state = tables.tag(texts(f"job_state_{job.state}"), _TAGS.get(job.state, "casual"))
    when = tables.when(job.queued_at, "%m-%d %H:%M:%S")
    line = texts("job_line", number=job.id, when=when, by=job.queued_by)
    about = job.run or ""
    if job.failure is not None and not job.run and job.state != "queued":
        about = refusals.told(job.failure, texts)
    st.html(
        f"<div class='job'>{state} {tables.escaped(line)} "
        f"<small>{tables.escaped(about)}</small></div>"
    )
    if job.state not in ACTIVE:
        return
    if job.state == "running":
        st.progress(min(job.progress, 100) / 100, text=progress.told(job, texts))
    elif (datetime.now(UTC) - job.queued_at).total_seconds() > PATIENCE_S:
        st.warning(texts("jobs_waits"))
    if access.may("job.queue") and st.button(
        texts("jobs_cancel"), key=f"cancel-{job.id}"
    ):
        jobs.stop(authorisation, job.id, settings=get_settings())
        st.rerun(scope="app")


def _listed(authorisation: Authorisation) -> list[jobs.Job]:
    return jobs.list_jobs(authorisation, settings=get_settings())[:MOST]
