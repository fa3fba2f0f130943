-- What sequences are called by now ($1: their oids); one that was dropped is not there.
SELECT c.oid, n.nspname AS schema, c.relname AS name
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
 WHERE c.oid OPERATOR(pg_catalog.=) ANY ($1)
   AND c.relkind OPERATOR(pg_catalog.=) 'S'
