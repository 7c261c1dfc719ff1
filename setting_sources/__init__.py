"""Where settings and secrets come from: environment, files, a directory of secrets, a configuration server. Both programs read theirs with it.

It knows neither program: each hands it a model of its settings and a prefix.
"""
