"""Fibres: taught and scored as particles are, whose maps they share; crossings part what lies below."""

from __future__ import annotations

from dataclasses import replace

from .particles import TASK as PARTICLES

TASK = replace(PARTICLES, name="fibres", optional=())
