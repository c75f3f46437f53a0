"""The request that every contender sends: an order of one unit, as JSON."""

from __future__ import annotations

PATH = "/orders"
STATUS = 201
REQUIRED = "order_id"
BODY = b'{"user_id":"u4711","channel":"DY","lines":[{"sku":"hot-1","quantity":1,"price":"19.99"}]}'
HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}
