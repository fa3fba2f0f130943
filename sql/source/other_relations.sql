-- Names of the user's views, materialized views, sequences and foreign tables, for patterns. Under the snapshot.
SELECT n.nspname AS schema, c.relname AS name
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('v', 'm', 'S', 'f')
   AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
 ORDER BY c.oid
