-- Schemas of users with their tables, and of each table the names of its columns, by which one is known again that has another
-- name; no name: the schema has no table. Run on both sides.
SELECT n.nspname::pg_catalog.text AS schema,
       c.relname::pg_catalog.text AS name,
       COALESCE((SELECT pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY a.attname)
                   FROM pg_catalog.pg_attribute AS a
                  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '{}') AS columns
  FROM pg_catalog.pg_namespace AS n
  LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p')
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'multiboard_sync')
 ORDER BY 1, 2
