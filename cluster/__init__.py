"""A cluster on one machine: nginx in front of several nodes of the identity provider and of each service.

It is what `deploy/` describes for real machines, with the same nginx configuration, made of processes. Nothing here is needed to run the programs.
"""
