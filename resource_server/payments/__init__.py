"""The payments API: money moves here."""
