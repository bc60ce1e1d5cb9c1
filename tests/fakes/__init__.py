"""Doubles and starters that several tests share."""
