"""Text to ids and back, without the libraries that training learns a vocabulary with."""
