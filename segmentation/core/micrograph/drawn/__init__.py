"""What people or programs put into a picture: marks, writing, borders."""
