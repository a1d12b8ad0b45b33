"""smtpd - the SMTP server."""
