"""mail - what mail is: addresses, headers, dates, errors. Pure, imports nothing of pyfix."""
