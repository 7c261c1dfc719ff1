"""The endpoints: functions from a call to an answer, free of any framework; pages are the exception, they are Flask views."""
