"""The rooms of the application, assembled from the house: one module builds the endpoints or pages of one room."""
