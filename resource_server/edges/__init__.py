"""What services ask of each other, as faces: who calls knows the face, who answers fills it, the process joins them."""
