"""Calls from one service to another: what is asked, by whom, for how long, how often, and over what it is carried."""
