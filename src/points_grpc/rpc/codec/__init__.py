"""Messages to commands and queries, answers to messages.

`read_…` functions check what they read and raise InvalidField with the field's path, relative
to the message that they are given. `put_…` functions fill a message in place, which is several
times as fast as building parts and copying them into their whole.
"""
