"""p(x | z): how probable content is, given what a decoder puts out."""
