"""The Audit page: the log and its verification, use of power, retention."""

from __future__ import annotations

import json

import streamlit as st

from dashboard import access, forms, i18n, refusals, tables
from dashboard.i18n import Texts
from pipeline.casebook import audit, fairness, purge, roles, signing, usage
from pipeline.errors import DongseonError
from pipeline.settings import get_settings

LAST = (50, 200, 1000)
_TAGS = {"refused": "close"}


def main() -> None:
    """Show the page."""
    texts = i18n.choose()
    access.user()  # nothing, also of what is remembered, once the session has ended
    tables.heading(texts("audit_heading"), texts("audit_note"))
    forms.told()
    _verify(texts)
    log, use, retention = st.tabs(
        [texts("audit_log"), texts("audit_use"), texts("audit_retention")]
    )
    with log:
        _log(texts)
        _export(texts)
    with use:
        _use(texts)
        _fairness(texts)
    with retention:
        _retention(texts)
        _certificates(texts)


def _verify(texts: Texts) -> None:
    if not st.button(texts("audit_verify"), key="audit-verify", type="primary"):
        return
    settings, who = get_settings(), access.user()
    roles.check(settings, who, "audit.verify", "audit")
    verdict = audit.verify(settings)
    if verdict.broken is not None:
        st.error(texts("audit_broken", entry=verdict.broken, fault=verdict.fault))
        return
    detail = {"anchor": verdict.anchor}
    audit.record(settings, who, "audit.verify", "audit", "", detail)
    st.success(texts("audit_sound", entries=verdict.entries))
    st.html(f"<code class='anchor'>{verdict.entries} {verdict.anchor}</code>")


def _log(texts: Texts) -> None:
    settings, who = get_settings(), access.user()
    first, second, third = st.columns([1, 1, 2])
    last = first.selectbox(texts("audit_last"), LAST, key="audit-last")
    subject = third.text_input(texts("audit_subject"), key="audit-subject").strip()

    def read() -> list[dict]:
        found = audit.read(settings, who, subject=subject or None, last=last)
        return found[::-1]

    entries = access.remembered(f"audit-{subject}-{last}", read, seconds=10)
    acts = sorted({entry["act"] for entry in entries})
    act = second.selectbox(
        texts("audit_act"),
        acts,
        index=None,
        placeholder=texts("audit_all"),
        key="audit-act",
    )
    names = ("seq", "when", "actor", "act", "subject", "purpose", "detail")
    rows = [
        (
            entry["seq"],
            tables.once(audit.moment(entry)),
            entry["actor"],
            tables.tag(entry["act"], _TAGS.get(entry["act"], "casual")),
            tables.Html(
                f"<span class='nowrap'>{tables.escaped(entry['subject'])}</span>"
            ),
            entry["purpose"],
            _short(entry["detail"]),
        )
        for entry in entries
        if act is None or entry["act"] == act
    ]
    tables.show(names, rows, texts, numbers=["seq"])


def _short(detail: str, most: int = 160) -> str:
    words = ", ".join(f"{key} {value}" for key, value in json.loads(detail).items())
    return words if len(words) <= most else words[: most - 1] + "…"


def _export(texts: Texts) -> None:
    if not st.button(texts("audit_export"), key="audit-export"):
        return
    settings, who = get_settings(), access.user()
    entries = audit.read(settings, who, act="export")
    lines = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)
    st.download_button(
        texts("audit_download", entries=len(entries)),
        lines.encode(),
        "audit.jsonl",
        "application/jsonl",
        key="audit-download",
    )


def _use(texts: Texts) -> None:
    tables.section(texts("audit_use"), texts("audit_use_note"))
    rows = access.remembered(
        "audit-usage",
        lambda: usage.figures(access.user(), settings=get_settings()),
        seconds=30,
    )
    if not rows:
        st.caption(texts("audit_use_none"))
        return
    share = usage.mismatch_rate(rows)
    if share is not None:
        st.write(texts("audit_mismatch", share=share))
    shown = [
        (row["month"], texts.of("figure", row["figure"]), row["count"]) for row in rows
    ]
    tables.show(("month", "figure", "count"), shown, texts, numbers=["count"])


def _fairness(texts: Texts) -> None:
    tables.section(texts("audit_fairness"))
    st.caption(texts("audit_fairness_note", smallest=fairness.SMALLEST))
    rows = access.remembered(
        "audit-fairness",
        lambda: fairness.by_condition(access.user(), settings=get_settings()),
        seconds=30,
    )
    if not rows:
        st.caption(texts("audit_fairness_none"))
        return
    shown = [
        (
            texts.of("condition", row["condition"]),
            texts.of(row["condition"], row["group"]),
            row["verdicts"],
            row["rejected"],
            f"{row['share']:.0%}",
        )
        for row in rows
    ]
    names = ("condition", "group", "verdicts", "rejected", "share")
    tables.show(names, shown, texts, numbers=names[2:])


def _retention(texts: Texts) -> None:
    tables.section(texts("audit_retention"))
    settings = get_settings()
    items = access.remembered(
        "audit-retention",
        lambda: purge.purge(settings, access.user(), dry_run=True)[0],
        seconds=30,
    )
    rows = [
        (
            texts.of("kind", item.kind),
            f"{item.limit_days:g}",
            item.count,
            f"{item.freed_bytes / 1e6:.1f}",
        )
        for item in items
    ]
    names = ("kind", "limit", "over", "bytes")
    tables.show(names, rows, texts, numbers=names[1:])
    sure = st.checkbox(texts("audit_purge_sure"), key="audit-purge-sure")
    if st.button(texts("audit_purge"), key="audit-purge", disabled=not sure):
        with access.refusals_shown():
            _, path = purge.purge(settings, access.user())
            access.forget_starting("audit-")
            forms.tell(texts("audit_purged", file=path.name if path else ""))


def _certificates(texts: Texts) -> None:
    tables.section(texts("audit_certificates"))
    settings = get_settings()
    folder = settings.data_dir / "certificates"
    rows = []
    for path in sorted(folder.glob("*.json"), reverse=True)[:20]:
        try:
            content = signing.check(path, settings=settings)
            gone = sum(item["count"] for item in content.get("items", ()))
            mark = tables.tag(texts("audit_certificate_sound"), "good")
        except DongseonError as error:
            gone, mark = "–", tables.tag(refusals.told(error, texts), "close")
        rows.append((path.name, gone, mark))
    if not rows:
        st.caption(texts("audit_certificates_none"))
        return
    tables.show(("certificate", "gone", "signature"), rows, texts, numbers=["gone"])


with access.refusals_shown():
    main()
