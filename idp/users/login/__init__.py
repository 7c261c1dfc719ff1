"""Login as an ordered chain of methods, one file a method, and the pages that walk it."""
