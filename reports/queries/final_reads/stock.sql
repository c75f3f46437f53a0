-- One shard's slice of each product, in units.
SELECT sku, initial, available
FROM stock
ORDER BY sku
