"""What a server tells about its own work: counted in `counters`, shown by `exposition`.

Nothing here knows tenants, members or requests.
"""
