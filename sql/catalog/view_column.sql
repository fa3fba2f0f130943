-- Columns of views and materialized views: their types (for a view that has to be declared before its query can
-- be), and what ALTER has set on them.
SELECT
    c.oid AS view,
    a.attnum AS number,
    a.attname::pg_catalog.text AS name,
    pg_catalog.format_type(a.atttypid, a.atttypmod) AS data_type,
    CASE WHEN a.attcollation <> t.typcollation
         THEN pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(co.collname) END AS collation,
    d.oid AS default_oid,
    pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS default_expression,
    CASE WHEN c.relkind = 'm' AND a.attstorage <> t.typstorage THEN a.attstorage::pg_catalog.text END AS storage,
    CASE WHEN c.relkind = 'm' THEN a.attcompression::pg_catalog.text END AS compression,
    CASE WHEN a.attstattarget >= 0 THEN a.attstattarget::pg_catalog.int4 END AS statistics,
    COALESCE(a.attoptions, '{}'::pg_catalog.text[]) AS options
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
LEFT JOIN pg_catalog.pg_collation AS co ON co.oid = a.attcollation
LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = co.collnamespace
WHERE c.relkind IN ('v', 'm') AND c.oid >= 16384
ORDER BY c.oid, a.attnum;
