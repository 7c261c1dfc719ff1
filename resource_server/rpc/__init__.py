"""The services over gRPC: each method is carried to the REST operation it stands for, so both have one set of rules."""
