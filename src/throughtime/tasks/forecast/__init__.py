"""Forecasts of numbers over time, with how sure they are."""
