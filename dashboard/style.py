"""The little CSS that Streamlit's theme cannot say."""

from __future__ import annotations

import streamlit as st

_CSS = """
<style>
[data-testid="stMainBlockContainer"] {padding: 2.6rem 1.6rem 1.5rem; max-width: none;}
[data-testid="stHeader"] {background: transparent; height: 2.2rem;}
[data-testid="stSidebar"] {min-width: 15.5rem; max-width: 15.5rem;}
[data-testid="stMetric"] {padding: .1rem 0;}
[data-testid="stMetricLabel"] p {font-size: .78rem; color: #64748b;}
[data-testid="stMetricValue"] {font-size: 1.28rem; font-weight: 600;}
.brand {font-size: 1.35rem; font-weight: 700; letter-spacing: -.01em;}
.brand span {display: block; font-size: .78rem; font-weight: 400; color: #64748b;
  letter-spacing: 0;}
.notice {border-left: 4px solid #d97706; background: #fff8eb; color: #713f12;
  border-radius: 4px; padding: .42rem .8rem; font-size: .84rem; line-height: 1.5;}
.head {display: flex; align-items: baseline; gap: .8rem; margin-bottom: .1rem;}
.head h1 {font-size: 1.35rem; margin: 0; padding: 0;}
.head span {color: #64748b; font-size: .84rem;}
.section {font-weight: 600; font-size: .98rem; margin: .1rem 0;}
.section span {font-weight: 400; color: #64748b; font-size: .82rem;
  margin-left: .4rem;}
.card {display: grid; grid-template-columns: 92px 1fr; gap: .75rem;
  font-size: .82rem; line-height: 1.45; padding: .55rem; background: #fff;
  border: 1px solid #d5dce5; border-radius: 8px;}
.card.picked {border-color: #1d4ed8; box-shadow: 0 0 0 1px #1d4ed8;}
.card img {width: 92px; height: 122px; object-fit: cover; border-radius: 5px;
  background: #e2e8f0; display: block;}
.card .none {width: 92px; height: 122px; border-radius: 5px; background: #e8edf3;
  color: #64748b; font-size: .72rem; display: flex; align-items: center;
  justify-content: center; text-align: center; padding: .4rem;
  box-sizing: border-box;}
.card .top {display: flex; align-items: center; gap: .45rem; font-weight: 600;}
.card .number {background: #1e3a8a; color: #fff; border-radius: 5px;
  padding: 0 .42rem; font-size: .78rem;}
.card.aside .number {background: #94a3b8;}
.card .place {color: #475569;}
.card dl {display: grid; grid-template-columns: auto 1fr; gap: 0 .6rem;
  margin: .2rem 0 0;}
.card dt {color: #64748b;}
.card dd {margin: 0; font-variant-numeric: tabular-nums;}
.bar {display: inline-block; width: 62px; height: 6px; border-radius: 3px;
  background: #e2e8f0; margin-right: .4rem; vertical-align: middle;}
.bar i {display: block; height: 100%; border-radius: 3px; background: #1d4ed8;}
.contacts {width: 100%; border-collapse: collapse; font-size: .84rem;
  background: #fff;}
.contacts th {text-align: left; font-weight: 600; color: #475569; font-size: .78rem;
  border-bottom: 1px solid #cbd5e1; padding: .4rem .7rem; white-space: nowrap;}
.contacts td {border-bottom: 1px solid #e8edf3; padding: .4rem .7rem;
  font-variant-numeric: tabular-nums;}
.contacts .number {text-align: right;}
.tag {border-radius: 4px; padding: .05rem .4rem; font-size: .76rem;
  font-weight: 600; white-space: nowrap;}
.tag.close {background: #fee2e2; color: #991b1b;}
.tag.casual {background: #e2e8f0; color: #334155;}
</style>
"""


def apply() -> None:
    """Put the style on the page."""
    st.html(_CSS)
