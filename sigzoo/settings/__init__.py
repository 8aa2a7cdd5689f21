"""What a run is told: each setting declared once, for Python, the command line, JSON and recipes; no torch.

`declaration` says what a setting is; `run_settings` what all runs' settings share; then a module for each
kind of run, and one for what a card's recipe may state.
"""
