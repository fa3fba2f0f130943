-- Attributes of stand-alone composite types, in order, dropped ones left out.
SELECT
    c.reltype AS type,
    a.attname::pg_catalog.text AS name,
    pg_catalog.format_type(a.atttypid, a.atttypmod) AS data_type,
    CASE WHEN a.attcollation <> t.typcollation
         THEN pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(co.collname) END AS collation
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_collation AS co ON co.oid = a.attcollation
LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = co.collnamespace
WHERE c.relkind = 'c'
ORDER BY c.reltype, a.attnum;
