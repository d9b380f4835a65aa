"""Streamlit dashboard. It asks the pipeline and computes nothing itself."""
