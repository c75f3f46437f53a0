"""The part of scenario.md about a service of one's own."""

from __future__ import annotations

from flashdrill.plan.service import FINAL_READS, PROCESS, READ, SECRET, SERVICE
from scripts.reference.keys import Keys

SECTIONS: dict[str, Keys] = {
    "a service": Keys(
        SERVICE,
        {
            "url": "url: http://127.0.0.1:8000",
            "health": "health: /health",
            "metrics": "metrics: {shop: http://127.0.0.1:8000/metrics}",
            "processes": "processes: {shop: {pid_file: shop.pid}}",
            "reads": "",
        },
    ),
    "a process": Keys(PROCESS, {"pid_file": "pid_file: shop.pid"}),
    "final reads": Keys(
        FINAL_READS,
        {
            "dsn": "dsn: {env: SHOP_DSN}",
            "settle": "settle: 5s",
            "drained": "drained: {sql: select count(*) from outbox where sent_at is null}",
            "orders": "orders: {sql: 'select id as order_id, sku, quantity from orders'}",
            "lines": "lines: {sql: 'select order_id, sku, quantity from order_lines'}",
            "stock": "stock: {sql: 'select sku, initial, sold from stock'}",
            "movements": "movements: {http: /admin/movements}",
            "money": "money: {http: /admin/ledger}",
            "payments": "payments: {http: /admin/payments, token: {env: SHOP_TOKEN}}",
        },
    ),
    "a read": Keys(
        READ,
        {
            "sql": "sql: select sku, initial, sold from stock",
            "dsn": "dsn: {file: /run/secrets/shop_dsn}",
            "sqlite": "sqlite: shop.db",
            "http": "http: /admin/orders",
            "method": "method: POST",
            "token": "token: {env: SHOP_TOKEN}",
        },
    ),
    "a secret": Keys(SECRET, {"env": "env: SHOP_DSN", "file": "file: /run/secrets/shop_dsn"}),
}
