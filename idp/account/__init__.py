"""What people see and change about themselves. It speaks to the room of people through its services and knows nothing of the protocol."""
