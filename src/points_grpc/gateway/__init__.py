"""The JSON gateway: vendors' REST APIs and the canonical /v1 before the gRPC service.

It holds no rule of points. Each dialect turns its format into requests of the contract, which go
through a gRPC channel to the same door as everybody's, and the answers back.
"""
