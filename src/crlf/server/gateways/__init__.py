"""Gateways: applications of ASGI and WSGI here, and an App as one of ASGI elsewhere."""
