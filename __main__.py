"""Verdigris: replaces the model behind a live LLM endpoint. Table of contents: settings -> plans -> resources."""

from pathlib import Path

from components.plans import make_plans
from components.settings import load_settings, mistakes_without_traceback
from components.stack import deploy

with mistakes_without_traceback():
    settings = load_settings(Path(__file__).resolve().parent)
    plans = make_plans(settings)
    deploy(settings, plans)
