"""The grants: each holds only its difference; the token endpoint owns the steps they share."""
