"""What every room stands on: database, limits, jobs, mail, outbound HTTP, audit, web helpers. Knows nothing of OAuth."""
