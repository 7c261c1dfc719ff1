"""Work that is done later: leases, retries, order, brokers, dead letters."""
