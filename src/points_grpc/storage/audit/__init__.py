"""Whether a database agrees with itself, asked set by set; nothing here writes.

Every question is about one page of rows, in the order of their primary keys, and gives back
only what is wrong, so that memory does not grow with the database.
"""
